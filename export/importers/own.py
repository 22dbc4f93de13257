"""The project's own checkpoints, as export/train/nlu/checkpoint.py writes them."""

from __future__ import annotations

import dataclasses
from typing import Any

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.importers.bert_names import rename_bert
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source
from sottovoce.export.models.bert import BertConfig
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Spec
from sottovoce.export.spec_bert import ARCHITECTURE, vocabulary_bytes
from sottovoce.export.train.nlu.checkpoint import FORMAT

FAMILY = "Sottovoce"
VERSION = 1


def accepts(config: dict[str, Any]) -> bool:
    """True for a config.json of ours."""
    return config.get("format") == FORMAT


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    return "config.json is one of our own format" if accepts(source.config) else ""


def load(source: Source) -> Imported:
    """Read the source, shadow weights and how they are to be stored. Raises as `importers.load`."""
    directory, config = source.directory, source.config
    if config.get("version") != VERSION:
        raise UnsupportedError(
            f"{directory}/config.json: version {config.get('version')!r}, this package reads {VERSION}"
        )
    try:
        model = BertConfig.from_dict(config["model"])
        labels = {head: [str(label) for label in config[f"{head}_labels"]] for head in ("intent", "slot")}
        tokenizer = {f"tokenizer.{key}": value for key, value in config["tokenizer"].items()}
        calibration = {f"intent.{key}": float(value) for key, value in config["calibration"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{directory}/config.json: not a complete description: {error}") from None
    metadata: dict[str, Any] = {
        f"bert.{name}": getattr(model, name)
        for name in (
            "num_layers hidden_size num_heads head_size ffn_size qkv_size vocab_size max_positions type_vocab_size "
            "activation_granularity hidden_activation pooler_activation"
        ).split()
    }
    metadata["bert.layer_norm_epsilon"] = float(model.layer_norm_epsilon)
    metadata["bert.activation_clip"] = float(model.activation_clip)
    metadata["bert.adaptive_widths"] = list(model.adaptive_widths)
    metadata["bert.adaptive_depths"] = list(model.adaptive_depths)
    metadata.update(_variants(model))
    metadata.update({**tokenizer, **calibration, "intent.labels": labels["intent"], "slot.labels": labels["slot"]})
    if (model.num_intents, model.num_slots) != (len(labels["intent"]), len(labels["slot"])):
        raise DataError(
            f"{directory}/config.json: {len(labels['intent'])} intent and {len(labels['slot'])} slot labels, wanted "
            f"{model.num_intents} and {model.num_slots}"
        )
    pieces = (directory / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(pieces) != model.vocab_size:
        raise DataError(f"{directory}/vocab.txt: {len(pieces)} pieces, wanted {model.vocab_size}")
    arrays = rename_bert(str(source), source.tensors)
    arrays["tokenizer.vocab"] = vocabulary_bytes(pieces)
    provenance = Provenance(
        name=str(config.get("name", directory.name)),
        source=str(config.get("name", directory.name)),
        source_sha256=source.sha256,
        training=config.get("training", {}),
        metrics=config.get("metrics", {}),
        attribution=config.get("attribution", {}),
    )
    return Imported(Spec(ARCHITECTURE, metadata, arrays, dataclasses.asdict(model.quantization)), provenance)


def _variants(model: BertConfig) -> dict[str, Any]:
    """Return the metadata of what most models do not have: a key stands only where it says something."""
    default = BertConfig(1, 1, 1, 1, 1, 1, 1, 1)
    names = (
        "position max_relative_position ghost_features input_quantizer activation_bits asymmetric_inputs attention_quantizer "
        "attention_clip"
    ).split()
    changed = {name: getattr(model, name) for name in names if getattr(model, name) != getattr(default, name)}
    metadata = {f"bert.{name}": list(value) if isinstance(value, tuple) else value for name, value in changed.items()}
    if model.quantization.encoder == "split" and model.input_quantizer != "dynamic":
        metadata |= {"bert.weight_halves": 2, "bert.pooler_halves": 2 if model.quantization.pooler == "split" else 1}
    return metadata
