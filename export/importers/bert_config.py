"""config.json of the BERT family, or the shapes of the tensors in its place, as `bert.*` metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.importers.source import Source
from sottovoce.export.spec import Array


def bert_metadata(source: Source) -> dict[str, Any]:
    """Return the `bert.*` metadata of the configuration.

    Raises:
        DataError, UnsupportedError: it lacks a size, or describes another network.
    """
    config, where = source.config, source.config_source
    activation = config.get("hidden_act", "gelu")
    if activation not in ("gelu", "relu"):
        raise UnsupportedError(f"{where}: hidden_act: wanted gelu or relu, found {activation!r}")
    heads = source.size("num_attention_heads")
    if source.options.num_heads not in (None, heads):
        raise DataError(f"{where}: num_attention_heads is {heads}, --heads says {source.options.num_heads}")
    # AutoTinyBERT's qkv_size and BinaryBERT's dyna_hidden_size are one thing: the width of query, key and value.
    key = next((name for name in ("qkv_size", "dyna_hidden_size") if name in config), "hidden_size")
    qkv = source.size(key)
    _check_heads(where, qkv, heads)
    return {
        "bert.num_layers": source.size("num_hidden_layers"),
        "bert.hidden_size": source.size("hidden_size"),
        "bert.num_heads": heads,
        "bert.head_size": qkv // heads,
        "bert.ffn_size": source.size("intermediate_size"),
        "bert.qkv_size": qkv,
        "bert.vocab_size": source.size("vocab_size"),
        "bert.max_positions": source.size("max_position_embeddings"),
        "bert.type_vocab_size": source.size("type_vocab_size"),
        "bert.layer_norm_epsilon": float(config.get("layer_norm_eps", 1e-12)),
        "bert.activation_clip": 0.0,
        "bert.activation_granularity": "token",
        "bert.hidden_activation": activation,
    }


def require_absolute_positions(source: Source) -> None:
    """Raise UnsupportedError when the configuration asks for positions inside attention."""
    positions = source.config.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise UnsupportedError(f"{source.config_source}: wanted absolute position embeddings, found {positions!r}")


def metadata_of_shapes(source: Source, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return the `bert.*` metadata that the shapes of arrays (contract names) and `num_heads` of the options give.

    Raises:
        DataError: an array that carries a size is missing, or the heads do not divide the width.
    """
    heads = source.options.num_heads
    assert heads is not None
    wanted = [f"embeddings.{name}" for name in ("word", "position", "token_type")]
    wanted += ["layer.0.attention.query.weight", "layer.0.ffn.up.weight"]
    missing = [name for name in wanted if name not in arrays or arrays[name].ndim != 2]
    if missing:
        raise DataError(f"{source}: no config.json, and no matrix {', '.join(missing)} that would give the sizes")
    word, position, token_type, query, up = (arrays[name].shape for name in wanted)
    _check_heads(str(source), query[0], heads)
    layers = {int(match[1]) for name in arrays if (match := re.match(r"layer\.(\d+)\.", name))}
    return {
        "bert.num_layers": max(layers) + 1,
        "bert.hidden_size": word[1],
        "bert.num_heads": heads,
        "bert.head_size": query[0] // heads,
        "bert.ffn_size": up[0],
        "bert.qkv_size": query[0],
        "bert.vocab_size": word[0],
        "bert.max_positions": position[0],
        "bert.type_vocab_size": token_type[0],
        "bert.layer_norm_epsilon": 1e-12,
        "bert.activation_clip": 0.0,
        "bert.activation_granularity": "token",
        "bert.hidden_activation": "gelu",
    }


def _check_heads(where: str, width: int, heads: int) -> None:
    if heads <= 0 or width % heads:
        raise DataError(f"{where}: width {width} does not divide into {heads} attention heads")
