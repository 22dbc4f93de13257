"""What a small parser starts from: a checkpoint directory of ours, or a shipped artifact, with a vocabulary cut to need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sottovoce.errors import DataError
from sottovoce.export.models.bert import Quantization
from sottovoce.export.train.nlu.artifact_start import artifact_checkpoint, checkpoint_tokenizer
from sottovoce.export.train.nlu.batches import encode_words
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint
from sottovoce.models import resolve

__all__ = ["COMMON_PIECES", "cut_vocabulary", "load_parser_base"]

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


def cut_vocabulary(base: Checkpoint, sentences: Iterable[Iterable[str]], common: int = COMMON_PIECES) -> Checkpoint:
    """Return `base` with fewer word pieces: special and single-letter ones, the first `common`, those the sentences use."""
    tokenizer = checkpoint_tokenizer(base)
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
