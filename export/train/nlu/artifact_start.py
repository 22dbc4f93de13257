"""An artifact as the start or the teacher of a training: its weights as floats again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.models.bert import BertConfig
from sottovoce.export.spec import contract
from sottovoce.export.spec_bert import ARCHITECTURE
from sottovoce.export.train.nlu.checkpoint import UNCASED_TOKENIZER, Checkpoint
from sottovoce.export.train.nlu.tokenization import WordTokenizer, word_tokenizer

_LEARNED = (".input_clip", ".input_step", ".operand_clip", ".operand_step")


def artifact_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Return an intent parser's artifact as a checkpoint of float32 weights, as the runtime sees them.

    Learned activation quantizers stay behind: float products have none.
    """
    stored = ArtifactWeights(path, ARCHITECTURE)
    metadata = stored.metadata
    weights: dict[str, Tensor] = {}
    pieces: list[str] = []
    for entry in contract(ARCHITECTURE, metadata):
        if entry.kind == "bytes":
            pieces = stored.bytes(entry.name).decode("utf-8").split("\n")
            pieces = pieces[:-1] if pieces[-1] == "" else pieces
        elif entry.kind == "vector" and entry.name.endswith(_LEARNED):
            continue
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
        tokenizer={name: metadata[f"tokenizer.{name}"] for name in UNCASED_TOKENIZER},
        metrics=json.loads(metadata.get("sottovoce.metrics", "{}")),
        attribution=json.loads(metadata.get("sottovoce.attribution", "{}")),
    )


def _config(metadata: Mapping[str, Any]) -> BertConfig:
    names = (
        "num_layers hidden_size num_heads head_size ffn_size vocab_size max_positions type_vocab_size "
        "layer_norm_epsilon hidden_activation pooler_activation activation_granularity activation_clip"
    ).split()
    values = {name: metadata[f"bert.{name}"] for name in names}
    variants = ("position", "max_relative_position", "ghost_features")
    values |= {name: metadata[f"bert.{name}"] for name in variants if f"bert.{name}" in metadata}
    return BertConfig(**values, num_intents=len(metadata["intent.labels"]), num_slots=len(metadata["slot.labels"]))


def checkpoint_tokenizer(checkpoint: Checkpoint) -> WordTokenizer:
    """Return the tokenizer of a checkpoint's own pieces."""
    return word_tokenizer(checkpoint.pieces, checkpoint.tokenizer)
