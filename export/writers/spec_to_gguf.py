"""A Spec as a GGUF artifact: which array is a product, an embedding or plain, and how each family is stored."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from sottovoce.errors import InvalidInputError
from sottovoce.export import spec_bert
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Array, Entry, Spec
from sottovoce.export.writers.gguf import Embedding, Product, Weights, write_gguf

ARTIFACTS = (spec_bert.ARCHITECTURE, "conv-transformer-transducer")


def write_spec(
    spec: Spec, path: str | os.PathLike[str], provenance: Provenance, weights: Mapping[str, str] | None = None
) -> int:
    """Validate `spec`, write it to `path` and return the size in bytes.

    Args:
        weights: family to "ternary", "int8" or "f32"; without it, as the model was trained (`spec.weights`). Split
            binary weights can only be stored so.
    Raises:
        DataError: the Spec does not hold what its architecture wants; InvalidInputError: it cannot be an artifact, for one
        because it has no intent head; UnsupportedError: the runtime has no kernel for it; InputOutputError: the file system
        refused. Nothing is written then.
    """
    source = provenance.source or provenance.name
    if spec.architecture not in ARTIFACTS:
        raise InvalidInputError(f"{source}: {spec.architecture} serves as a teacher only; it has no artifact")
    spec.validate(source)
    if spec.architecture == spec_bert.ARCHITECTURE:
        spec = _with_heads(spec, source)
    kinds = spec.weights if weights is None else weights
    for family, kind in spec.weights.items():
        if kind == "split" and kinds.get(family) != "split":
            raise InvalidInputError(f"{source}: its {family} weights are two binary halves; wanted them stored so")
    metadata = dict(spec.metadata)
    if spec.architecture == spec_bert.ARCHITECTURE:
        spec_bert.require_runtime(metadata, kinds, source)
        metadata["sottovoce.required_features"] = spec_bert.required_features(metadata)
    parts = {entry.name: _part(entry, spec.arrays, kinds.get(entry.family, "f32")) for entry in spec.entries()}
    return write_gguf(path, spec.architecture, metadata, parts, provenance)


def _part(entry: Entry, arrays: Mapping[str, Array], weights: str) -> Product | Embedding | Array:
    kind = _checked(weights, entry.family)
    if entry.kind == "product":
        second = arrays.get(f"{entry.name}.weight_2")
        return Product(arrays[f"{entry.name}.weight"], arrays.get(f"{entry.name}.bias"), kind, second)
    if entry.kind == "embedding":
        return Embedding(arrays[entry.name], kind, arrays.get(f"{entry.name}_2"))
    return arrays[entry.name]


def _checked(weights: str, family: str) -> Weights:
    if weights == "ternary":
        return "ternary"
    if weights == "int8":
        return "int8"
    if weights == "f32":
        return "f32"
    if weights == "binary":
        return "binary"
    if weights == "split":
        return "split"
    raise InvalidInputError(f"weights of {family}: wanted ternary, int8, binary, split or f32, found {weights!r}")


def _with_heads(spec: Spec, source: str) -> Spec:
    """A model needs an intent head; without a slot head it gets one that finds no slot (the single label O)."""
    if not spec.metadata.get("intent.labels"):
        raise InvalidInputError(f"{source}: no intent head; fine-tune it with `sottovoce-export train nlu`")
    if spec.metadata.get("slot.labels"):
        return spec
    hidden = spec.metadata["bert.hidden_size"]
    arrays = {**spec.arrays, "slot.weight": np.zeros((1, hidden), np.float32), "slot.bias": np.zeros(1, np.float32)}
    return Spec(spec.architecture, {**spec.metadata, "slot.labels": ["O"]}, arrays, spec.weights)
