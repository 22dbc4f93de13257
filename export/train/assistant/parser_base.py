"""What a small parser starts from: a checkpoint directory of ours, or a shipped artifact, with a vocabulary cut to need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.models.bert import BertConfig, Quantization
from sottovoce.export.spec import contract
from sottovoce.export.spec_bert import ARCHITECTURE
from sottovoce.export.train.nlu.batches import encode_words
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint
from sottovoce.export.train.nlu.tokenization import WordTokenizer
from sottovoce.models import resolve
from sottovoce.tokenizer import Tokenizer

COMMON_PIECES = 6000  # BERT's vocabulary is sorted by frequency: of its first pieces everything common can be said


def load_parser_base(name_or_path: str) -> Checkpoint:
    """Open a checkpoint directory, an artifact or a bundled model as float weights.

    Raises:
        ModelNotFoundError, InvalidInputError: no such thing. DataError: unreadable. UnsupportedError: another kind of model.
    """
    path = Path(name_or_path)
    if (path / "config.json").is_file():
        try:
            loaded = load_checkpoint(path)
        except ValueError as error:
            raise DataError(str(error)) from None
        return replace(loaded, config=replace(loaded.config, quantization=Quantization()))
    return artifact_checkpoint(resolve(name_or_path))


def artifact_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Return an intent parser's artifact as a checkpoint of float32 weights, as the runtime sees them."""
    stored = ArtifactWeights(path)
    metadata = stored.metadata
    architecture = metadata.get("general.architecture")
    if architecture != ARCHITECTURE:
        raise UnsupportedError(f"{path}: architecture {architecture!r}, wanted {ARCHITECTURE!r}")
    weights: dict[str, Tensor] = {}
    pieces: list[str] = []
    for entry in contract(ARCHITECTURE, metadata):
        if entry.kind == "bytes":
            pieces = stored.bytes(entry.name).decode("utf-8").split("\n")
            pieces = pieces[:-1] if pieces[-1] == "" else pieces
        elif entry.kind == "vector":
            weights[entry.name] = torch.from_numpy(stored.plain(entry.name).reshape(entry.shape).copy())
        else:
            name = f"{entry.name}.weight"
            stem = name if entry.kind == "product" else entry.name
            rows, cols = entry.shape
            weights[name] = torch.from_numpy(stored.matrix(stem, rows, cols).copy())
            if entry.kind == "product" and entry.bias:
                weights[f"{entry.name}.bias"] = torch.from_numpy(stored.plain(f"{entry.name}.bias").copy())
    return Checkpoint(
        _config(metadata),
        list(metadata["intent.labels"]),
        list(metadata["slot.labels"]),
        pieces,
        weights,
        name=str(metadata["general.name"]),
    )


def _config(metadata: Mapping[str, Any]) -> BertConfig:
    names = (
        "num_layers hidden_size num_heads head_size ffn_size vocab_size max_positions type_vocab_size "
        "layer_norm_epsilon hidden_activation pooler_activation activation_granularity activation_clip"
    ).split()
    values = {name: metadata[f"bert.{name}"] for name in names}
    return BertConfig(**values, num_intents=len(metadata["intent.labels"]), num_slots=len(metadata["slot.labels"]))


def cut_vocabulary(base: Checkpoint, sentences: Iterable[Iterable[str]], common: int = COMMON_PIECES) -> Checkpoint:
    """Return `base` with fewer word pieces: special and single-letter ones, the first `common`, those the sentences use."""
    tokenizer = word_tokenizer(base)
    used = {piece for words in sentences for piece in encode_words(list(words), tokenizer, 10_000)[0]}
    kept = [
        number
        for number, piece in enumerate(base.pieces)
        if number in used or number < common or piece in _SPECIAL or len(piece.removeprefix("##")) == 1
        if not piece.startswith("[unused")
    ]
    rows = base.weights["embeddings.word.weight"][kept]
    return replace(
        base,
        config=replace(base.config, vocab_size=len(kept)),
        pieces=[base.pieces[number] for number in kept],
        weights=base.weights | {"embeddings.word.weight": rows.clone()},
    )


_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def word_tokenizer(checkpoint: Checkpoint) -> WordTokenizer:
    """Return the tokenizer of a checkpoint's own pieces."""
    settings = checkpoint.tokenizer
    tokenizer = Tokenizer(checkpoint.pieces, lowercase=settings["lowercase"], strip_accents=settings["strip_accents"])
    return WordTokenizer(checkpoint.pieces, lambda word: tokenizer.encode(word).ids[1:-1])
