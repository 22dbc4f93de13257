"""Hugging Face directories of the BERT family: BERT, TinyBERT, MiniLM, with or without heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.checkpoint import read_tensors
from sottovoce.export.importers.bert_names import rename_bert
from sottovoce.export.importers.bert_tokenizer import read_tokenizer
from sottovoce.export.importers.imported import Imported
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Array, Spec
from sottovoce.export.spec_bert import ARCHITECTURE, vocabulary_bytes


def accepts(config: dict[str, Any]) -> bool:
    """True for a config.json of BERT; old ones name no type but have BERT's fields."""
    return config.get("model_type", "bert") == "bert" and "num_hidden_layers" in config


def load(directory: Path, config: dict[str, Any]) -> Imported:
    """Read the directory. A pretrained encoder has no heads: its Spec has no labels. Raises as `importers.load`."""
    metadata = bert_metadata(directory, config)
    pieces, tokenizer = read_tokenizer(directory)
    stored, digest = read_tensors(directory)
    arrays = rename_bert(str(directory), stored)
    metadata.update(tokenizer)
    _use_classifier(directory, config, arrays)
    for head in ("intent", "slot"):
        metadata[f"{head}.labels"] = _labels(directory, config, head, arrays)
    metadata.update({"intent.temperature": 1.0, "intent.out_of_scope_threshold": 0.0})
    metadata["bert.pooler_activation"] = "tanh" if "pooler.weight" in arrays else "none"
    _fit_vocabulary(directory, metadata, pieces, arrays)
    provenance = Provenance(
        name=_name(config, directory), license="", source=_name(config, directory), source_sha256=digest
    )
    return Imported(Spec(ARCHITECTURE, metadata, arrays), provenance)


def bert_metadata(directory: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Return the `bert.*` metadata of a config.json; DataError or UnsupportedError when it describes another network."""

    def size(key: str) -> int:
        if type(config.get(key)) is not int or config[key] <= 0:
            raise DataError(
                f"{directory}/config.json: {key}: wanted a positive whole number, found {config.get(key)!r}"
            )
        return int(config[key])

    activation = config.get("hidden_act", "gelu")
    if activation not in ("gelu", "relu"):
        raise UnsupportedError(f"{directory}/config.json: hidden_act: wanted gelu or relu, found {activation!r}")
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute" or config.get("use_relative_position"):
        raise UnsupportedError(f"{directory}/config.json: wanted absolute position embeddings, found {positions!r}")
    heads = size("num_attention_heads")
    qkv = size("qkv_size") if "qkv_size" in config else size("hidden_size")
    if qkv % heads:
        raise DataError(f"{directory}/config.json: width {qkv} does not divide into {heads} attention heads")
    return {
        "bert.num_layers": size("num_hidden_layers"),
        "bert.hidden_size": size("hidden_size"),
        "bert.num_heads": heads,
        "bert.head_size": qkv // heads,
        "bert.ffn_size": size("intermediate_size"),
        "bert.qkv_size": qkv,
        "bert.vocab_size": size("vocab_size"),
        "bert.max_positions": size("max_position_embeddings"),
        "bert.type_vocab_size": size("type_vocab_size"),
        "bert.layer_norm_epsilon": float(config.get("layer_norm_eps", 1e-12)),
        "bert.activation_clip": 0.0,
        "bert.activation_granularity": "token",
        "bert.hidden_activation": activation,
    }


def _name(config: dict[str, Any], directory: Path) -> str:
    return str(config.get("_name_or_path") or directory.resolve().name)


def _use_classifier(directory: Path, config: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Rename `classifier` to the head it is, by the class that config.json names."""
    if "classifier.weight" not in arrays:
        return
    classes = " ".join(config.get("architectures") or [])
    head = "slot" if "TokenClassification" in classes else "intent" if "SequenceClassification" in classes else ""
    if not head:
        raise UnsupportedError(
            f"{directory}: a `classifier`, but config.json names no BertForSequenceClassification or "
            f"BertForTokenClassification in `architectures`: {config.get('architectures')!r}"
        )
    for part in ("weight", "bias"):
        if f"classifier.{part}" in arrays:
            arrays[f"{head}.{part}"] = arrays.pop(f"classifier.{part}")


def _labels(directory: Path, config: dict[str, Any], head: str, arrays: dict[str, Array]) -> list[str]:
    """Return the labels of a head from config.json (`intent_labels`, `slot_labels`, else `id2label`); none without a head."""
    weight = arrays.get(f"{head}.weight")
    if weight is None:
        return []
    labels = config.get(f"{head}_labels")
    if labels is None and len({"intent.weight", "slot.weight"} & arrays.keys()) == 1:
        by_id = config.get("id2label") or {}
        labels = [by_id.get(str(number), f"LABEL_{number}") for number in range(weight.shape[0])]
    if not isinstance(labels, list) or len(labels) != weight.shape[0]:
        raise DataError(
            f"{directory}/config.json: {head}_labels: wanted the {weight.shape[0]} labels of the {head} head, found {labels!r}"
        )
    return [str(label) for label in labels]


def _fit_vocabulary(directory: Path, metadata: dict[str, Any], pieces: list[str], arrays: dict[str, Array]) -> None:
    """Store the vocabulary; embedding rows past it (padding to a round number) can never be looked up and are dropped."""
    rows = metadata["bert.vocab_size"]
    if len(pieces) > rows:
        raise DataError(f"{directory}: the vocabulary has {len(pieces)} pieces, config.json allows {rows}")
    word = arrays.get("embeddings.word")
    if word is not None and word.shape[0] == rows:
        arrays["embeddings.word"] = word[: len(pieces)]
        metadata["bert.vocab_size"] = len(pieces)
    arrays["tokenizer.vocab"] = vocabulary_bytes(pieces)
