"""Activation quantizers of a checkpoint -> metadata, or vectors beside each product where one number does not say it all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sottovoce.errors import DataError
from sottovoce.export.importers.quantizer_names import OPERANDS
from sottovoce.export.spec import Array

QuantizerKind = str  # "clipped": (low, high), then the largest magnitude decides; "stepped": a learned step


def quantized_products(arrays: Mapping[str, Array]) -> list[str]:
    """Return the stems of the products that both papers quantize: the encoder's and the pooler."""
    return [
        name.removesuffix(".weight")
        for name, array in arrays.items()
        if name.endswith(".weight") and array.ndim == 2 and name.startswith(("layer.", "pooler."))
    ]


def record_inputs(
    source: str,
    metadata: dict[str, Any],
    arrays: dict[str, Array],
    inputs: Mapping[str, Mapping[int, Array]],
    kind: QuantizerKind,
    halves: int = 1,
) -> None:
    """Say how the input of every product is quantized: `bert.activation_clip` if one clip serves all, else vectors.

    inputs: by stem and half. Raises DataError when one is missing, unexpected or impossible.
    """
    stems = quantized_products(arrays)
    wanted = {(stem, half) for stem in stems for half in range(halves)}
    found = {(stem, half) for stem, by_half in inputs.items() for half in by_half}
    _compare(source, "the clip or step of the input of", _spelled(wanted - found), _spelled(found - wanted))
    values = {
        stem: np.concatenate([_checked(source, f"input of {stem}", inputs[stem][half], kind) for half in range(halves)])
        for stem in stems
    }
    clip = _common_clip(values.values()) if kind == "clipped" else None
    if clip is not None:
        metadata["bert.activation_clip"] = clip
        return
    metadata["bert.input_quantizer"] = kind
    name = "input_clip" if kind == "clipped" else "input_step"
    arrays.update({f"{stem}.{name}": value for stem, value in values.items()})


def record_operands(
    source: str,
    metadata: dict[str, Any],
    arrays: dict[str, Array],
    operands: Mapping[int, Mapping[str, Array]],
    kind: QuantizerKind,
) -> None:
    """Say how query, key, value and attention weights are quantized before the two products of attention.

    Raises DataError when one is missing, unexpected or impossible.
    """
    wanted = {(layer, name) for layer in range(metadata["bert.num_layers"]) for name in OPERANDS}
    found = {(layer, name) for layer, by_name in operands.items() for name in by_name}
    missing = [f"layer {layer} clip_{name}" for layer, name in sorted(wanted - found)]
    extra = [f"layer {layer} clip_{name}" for layer, name in sorted(found - wanted)]
    _compare(source, "the attention operands", missing, extra)
    values = {
        layer: np.concatenate(
            [_checked(source, f"clip_{name} of layer {layer}", operands[layer][name], kind) for name in OPERANDS]
        )
        for layer in range(metadata["bert.num_layers"])
    }
    clip = _common_clip(values.values()) if kind == "clipped" else None
    if clip is not None:
        metadata.update({"bert.attention_quantizer": "dynamic", "bert.attention_clip": clip})
        return
    metadata["bert.attention_quantizer"] = kind
    name = "operand_clip" if kind == "clipped" else "operand_step"
    arrays.update({f"layer.{layer}.attention.{name}": value for layer, value in values.items()})


def clipped(source: str, what: str, weight: Array, clip: Array) -> Array:
    """Return `weight` bounded by `clip` (low, high). Raises DataError for an impossible one."""
    low, high = _checked(source, f"weight clip of {what}", clip, "clipped")
    return np.clip(weight, low, high)


def _checked(source: str, what: str, value: Array, kind: QuantizerKind) -> Array:
    size = 2 if kind == "clipped" else 1
    flat = np.asarray(value, dtype=np.float32).reshape(-1)
    if flat.size != size or not np.isfinite(flat).all():
        raise DataError(f"{source}: {what}: wanted {size} finite number{'s'[: size - 1]}, found {value.tolist()}")
    if kind == "clipped" and not flat[0] < flat[1]:
        raise DataError(f"{source}: {what}: wanted low < high, found {flat.tolist()}")
    if kind == "stepped" and not flat[0] > 0:
        raise DataError(f"{source}: {what}: wanted a positive step, found {flat[0]:g}")
    return flat


def _common_clip(values: Iterable[Array]) -> float | None:
    """The c of (-c, c) when all pairs are that; None when they differ or are lopsided."""
    pairs = np.unique(np.concatenate([value.reshape(-1, 2) for value in values]), axis=0)
    return float(pairs[0, 1]) if len(pairs) == 1 and pairs[0, 0] == -pairs[0, 1] else None


def _spelled(pairs: Iterable[tuple[str, int]]) -> list[str]:
    return [stem + (" (second half)" if half else "") for stem, half in sorted(pairs)]


def _compare(source: str, what: str, missing: list[str], extra: list[str]) -> None:
    for problem, names in (("missing", missing), ("unexpected", extra)):
        if names:
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            raise DataError(f"{source}: {problem}: {what} {', '.join(names[:6])}{more}")
