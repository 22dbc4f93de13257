"""The project's own checkpoint: a directory with config.json, vocab.txt and model.safetensors.

`model.safetensors` holds the float32 shadow weights; whoever packs them quantizes again with export/compress/ternary.py, by
the `quantization` kinds in the configuration. Tensor names are Hugging Face's:

    bert.embeddings.{word,position,token_type}_embeddings.weight, bert.embeddings.LayerNorm.{weight,bias}; with relative
    positions no position_embeddings
    bert.encoder.layer.N.attention.self.{query,key,value}.*, bert.encoder.layer.N.attention.output.{dense,LayerNorm}.*
    bert.encoder.layer.N.intermediate.dense.*, bert.encoder.layer.N.output.{dense,LayerNorm}.*
    ...attention.output.ghost.weight, ...output.ghost.weight (GhostBERT), X.input_clip, X.input_step of a product X and
    ...attention.self.operand_clip, ...operand_step (learned activation quantizers)
    bert.pooler.dense.* (absent when pooler_activation is none), intent_classifier.*, slot_classifier.*

`config.json`: {"format": "sottovoce-bert-intent-slot", "version": 1, "name", "model": BertConfig fields, "intent_labels",
"slot_labels" (O, B-x, I-x), "tokenizer": {kind, lowercase, strip_accents, chinese_chars, unknown_token, cls_token,
sep_token, pad_token, max_word_characters}, "calibration": {temperature, out_of_scope_threshold}, "metrics", "training",
"attribution"}.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from sottovoce.export.models.bert import BertConfig, JointBert
from sottovoce.export.train.nlu import replicas

FORMAT = "sottovoce-bert-intent-slot"

_NAMES = [
    (r"^embeddings\.(word|position|token_type)\.", r"bert.embeddings.\1_embeddings."),
    (r"^embeddings\.norm\.", "bert.embeddings.LayerNorm."),
    (r"^layer\.(\d+)\.attention\.(query|key|value)\.", r"bert.encoder.layer.\1.attention.self.\2."),
    (r"^layer\.(\d+)\.attention\.(operand_clip|operand_step)$", r"bert.encoder.layer.\1.attention.self.\2"),
    (r"^layer\.(\d+)\.attention\.output\.", r"bert.encoder.layer.\1.attention.output.dense."),
    (r"^layer\.(\d+)\.attention\.norm\.", r"bert.encoder.layer.\1.attention.output.LayerNorm."),
    (r"^layer\.(\d+)\.attention\.ghost\.", r"bert.encoder.layer.\1.attention.output.ghost."),
    (r"^layer\.(\d+)\.ffn\.ghost\.", r"bert.encoder.layer.\1.output.ghost."),
    (r"^layer\.(\d+)\.ffn\.up\.", r"bert.encoder.layer.\1.intermediate.dense."),
    (r"^layer\.(\d+)\.ffn\.down\.", r"bert.encoder.layer.\1.output.dense."),
    (r"^layer\.(\d+)\.ffn\.norm\.", r"bert.encoder.layer.\1.output.LayerNorm."),
    (r"^pooler\.", "bert.pooler.dense."),
    (r"^(intent|slot)\.", r"\1_classifier."),
]

UNCASED_TOKENIZER: dict[str, Any] = {
    "kind": "wordpiece",
    "lowercase": True,
    "strip_accents": True,
    "chinese_chars": True,
    "unknown_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "max_word_characters": 100,
}


@dataclass
class Checkpoint:
    """A trained model with everything needed to use it; `weights` are keyed by the module's (= the artifact's) names."""

    config: BertConfig
    intent_labels: list[str]
    slot_labels: list[str]
    pieces: list[str]
    weights: dict[str, Tensor]
    name: str = "model"
    tokenizer: dict[str, Any] = field(default_factory=lambda: dict(UNCASED_TOKENIZER))
    calibration: dict[str, float] = field(default_factory=lambda: {"temperature": 1.0, "out_of_scope_threshold": 0.0})
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    attribution: dict[str, Any] = field(default_factory=dict)

    def build(self, dropout: float = 0.0) -> JointBert:
        """The network with these weights. Raises RuntimeError naming missing or unexpected tensors."""
        model = JointBert(self.config, dropout)
        model.load_state_dict(self.weights)
        return model

    def updated(self, model: JointBert, **changes: Any) -> Checkpoint:
        """A copy that holds `model`'s weights and configuration, with `changes` to the other fields."""
        weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        return replace(self, config=model.config, weights=weights, **changes)


def hugging_face_name(name: str) -> str:
    """`layer.0.attention.query.weight` -> `bert.encoder.layer.0.attention.self.query.weight`. ValueError if unknown."""
    for pattern, target in _NAMES:
        renamed, count = re.subn(pattern, target, name)
        if count:
            return renamed
    raise ValueError(f"tensor {name!r}: wanted a name of the joint BERT")


def save_checkpoint(checkpoint: Checkpoint, directory: Path) -> None:
    """Writes the directory; each file appears under its name only when complete, config.json last. Process 0 of torchrun only."""
    if not replicas.is_writer():
        return
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {hugging_face_name(name): tensor.float().contiguous() for name, tensor in checkpoint.weights.items()}
    save_file(tensors, directory / "model.safetensors.part", metadata={"format": "pt"})
    os.replace(directory / "model.safetensors.part", directory / "model.safetensors")
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in checkpoint.pieces), encoding="utf-8")
    description = {
        "format": FORMAT,
        "version": 1,
        "name": checkpoint.name,
        "model": checkpoint.config.to_dict(),
        "intent_labels": checkpoint.intent_labels,
        "slot_labels": checkpoint.slot_labels,
        "tokenizer": checkpoint.tokenizer,
        "calibration": checkpoint.calibration,
        "metrics": checkpoint.metrics,
        "training": checkpoint.training,
        "attribution": checkpoint.attribution,
    }
    part = directory / "config.json.part"
    part.write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, directory / "config.json")


def load_checkpoint(directory: Path) -> Checkpoint:
    """Reads a directory written by `save_checkpoint`. Raises OSError, or ValueError for another format."""
    description = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    if description.get("format") != FORMAT or description.get("version") != 1:
        found = f"{description.get('format')!r} version {description.get('version')!r}"
        raise ValueError(f"{directory}: wanted format {FORMAT!r} version 1, found {found}")
    config = BertConfig.from_dict(description["model"])
    stored = load_file(directory / "model.safetensors")
    names = {hugging_face_name(name): name for name in JointBert(config).state_dict()}
    if names.keys() != stored.keys():
        raise ValueError(f"{directory}: tensors missing or unexpected: {sorted(names.keys() ^ stored.keys())}")
    return Checkpoint(
        config=config,
        weights={names[key]: tensor for key, tensor in stored.items()},
        pieces=(directory / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1],
        **{
            key: description[key]
            for key in ("name intent_labels slot_labels tokenizer calibration metrics training attribution".split())
        },
    )
