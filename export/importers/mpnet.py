"""Hugging Face directories of MPNet (all-mpnet-base-v2): teachers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.importers.bert_tokenizer import read_tokenizer
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source
from sottovoce.export.models.mpnet import ARCHITECTURE
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Array, Spec
from sottovoce.export.spec_bert import vocabulary_bytes

_PARTS = {"q": "query", "k": "key", "v": "value", "o": "output"}
_RENAMES = [
    (r"embeddings\.(word|position)_embeddings\.weight", r"embeddings.\1"),
    (r"embeddings\.LayerNorm\.(weight|bias)", r"embeddings.norm.\1"),
    (r"encoder\.relative_attention_bias\.weight", r"relative_bias"),
    (r"encoder\.layer\.(\d+)\.attention\.attn\.([qkvo])\.(weight|bias)", r"layer.\1.attention.\2.\3"),
    (r"encoder\.layer\.(\d+)\.attention\.LayerNorm\.(weight|bias)", r"layer.\1.attention.norm.\2"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.(weight|bias)", r"layer.\1.ffn.up.\2"),
    (r"encoder\.layer\.(\d+)\.output\.dense\.(weight|bias)", r"layer.\1.ffn.down.\2"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(weight|bias)", r"layer.\1.ffn.norm.\2"),
    (r"pooler\.dense\.(weight|bias)", r"pooler.\1"),
]

FAMILY = "MPNet"


def accepts(config: dict[str, Any]) -> bool:
    """True for a config.json of MPNet."""
    return config.get("model_type") == "mpnet"


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    return "config.json says model_type mpnet" if accepts(source.config) else ""


def load(source: Source) -> Imported:
    """Read the source. Raises as `importers.load`."""
    directory, config = source.directory, source.config
    if config.get("hidden_act", "gelu") != "gelu":
        raise UnsupportedError(f"{directory}/config.json: hidden_act: wanted gelu, found {config['hidden_act']!r}")
    # MPNet's tokenizer is BERT's with other names for the special tokens.
    pieces, tokenizer = read_tokenizer(directory)
    arrays = _renamed(directory, source.tensors)
    arrays["tokenizer.vocab"] = vocabulary_bytes(pieces)
    try:
        metadata: dict[str, Any] = {
            "mpnet.num_layers": config["num_hidden_layers"],
            "mpnet.hidden_size": config["hidden_size"],
            "mpnet.num_heads": config["num_attention_heads"],
            "mpnet.ffn_size": config["intermediate_size"],
            "mpnet.vocab_size": config["vocab_size"],
            "mpnet.max_positions": config["max_position_embeddings"],
            "mpnet.relative_buckets": config.get("relative_attention_num_buckets", 32),
            "mpnet.max_distance": 128,
            "mpnet.layer_norm_epsilon": float(config.get("layer_norm_eps", 1e-5)),
            "mpnet.pad_id": int(config.get("pad_token_id", 1)),
            "mpnet.pooler": "pooler.weight" in arrays,
        }
    except KeyError as error:
        raise DataError(f"{directory}/config.json: missing {error}") from None
    if len(pieces) != metadata["mpnet.vocab_size"]:
        raise DataError(f"{directory}: {len(pieces)} pieces, config.json says {metadata['mpnet.vocab_size']}")
    provenance = Provenance(name=source.name, license="", source=source.name, source_sha256=source.sha256)
    return Imported(Spec(ARCHITECTURE, {**metadata, **tokenizer}, arrays), provenance)


def _renamed(directory: Path, stored: dict[str, Array]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name, tensor in stored.items():
        plain = name.removeprefix("mpnet.")
        if plain.startswith("lm_head.") or plain.endswith("position_ids"):
            continue
        match, target = next(
            ((found, target) for pattern, target in _RENAMES if (found := re.fullmatch(pattern, plain))), (None, "")
        )
        if match is None:
            raise DataError(f"{directory}: unexpected tensor {name}, not one of MPNet's encoder")
        renamed = match.expand(target)
        arrays[re.sub(r"attention\.([qkvo])\.", lambda part: f"attention.{_PARTS[part[1]]}.", renamed)] = tensor
    return arrays
