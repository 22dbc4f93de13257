"""What an architecture's tensors are called and how large they are: the contract with csrc/models.

A `Spec` is a model on its way to a file: float arrays by the names of docs/artifact_format.md plus its metadata. An
architecture registers a function from metadata to `Entry` rows; csrc/models reads the same names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sottovoce.errors import DataError, UnsupportedError

Array = npt.NDArray[Any]
EntryKind = Literal["product", "embedding", "vector", "bytes"]


@dataclass(frozen=True)
class Entry:
    """One row of a contract.

    `kind` product: arrays `name.weight` (shape = (outputs, inputs)) and, if `bias`, `name.bias` (outputs); embedding: array
    `name` (entries, width); vector: float array `name` of `shape`; bytes: 1-D array of any length, `shape` is ().
    `family` groups entries that are quantized alike.
    """

    name: str
    kind: EntryKind
    shape: tuple[int, ...]
    family: str = "encoder"
    bias: bool = True

    def arrays(self, weights: str = "f32") -> dict[str, tuple[int, ...]]:
        """Return the shape of every array of this entry, by name; weights `split` have a second half, named `..._2`."""
        split = weights == "split" and self.kind in ("product", "embedding")
        if self.kind != "product":
            return {self.name: self.shape, **({f"{self.name}_2": self.shape} if split else {})}
        shapes = {f"{self.name}.weight": self.shape, **({f"{self.name}.weight_2": self.shape} if split else {})}
        if self.bias:
            shapes[f"{self.name}.bias"] = self.shape[:1]
        return shapes


Contract = Callable[[Mapping[str, Any]], list[Entry]]
_CONTRACTS: dict[str, Contract] = {}
# Architectures that live in modules of their own, imported when first asked for.
_MODULES = {
    "bert-intent-slot": "sottovoce.export.spec_bert",
    "mpnet": "sottovoce.export.models.mpnet",
    "conv-transformer-transducer": "sottovoce.export.spec_transducer",
}


def register_contract(architecture: str) -> Callable[[Contract], Contract]:
    """Return a decorator that makes a function the contract of `architecture`."""

    def register(contract: Contract) -> Contract:
        _CONTRACTS[architecture] = contract
        return contract

    return register


def contract(architecture: str, metadata: Mapping[str, Any]) -> list[Entry]:
    """Return the entries of an architecture, in file order.

    Raises:
        UnsupportedError: unknown architecture.
        DataError: the metadata lacks a key or holds an impossible value.
    """
    if architecture not in _CONTRACTS and architecture in _MODULES:
        importlib.import_module(_MODULES[architecture])
    if architecture not in _CONTRACTS:
        known = ", ".join(sorted({*_CONTRACTS, *_MODULES}))
        raise UnsupportedError(f"architecture {architecture!r}: wanted one of {known}")
    return _CONTRACTS[architecture](metadata)


@dataclass
class Spec:
    """A model as named arrays and metadata.

    `metadata` holds the architecture's keys of docs/artifact_format.md; `weights` maps a family to how it is stored
    ("ternary", "int8", "binary", "split" or "f32"), as the model was trained for; families not named are f32.
    """

    architecture: str
    metadata: dict[str, Any]
    arrays: dict[str, Array]
    weights: dict[str, str] = field(default_factory=dict)

    def entries(self) -> list[Entry]:
        """Return the contract that this model's metadata asks for."""
        return contract(self.architecture, self.metadata)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every array that the model must hold, by name, in file order."""
        return {
            name: shape
            for entry in self.entries()
            for name, shape in entry.arrays(self.weights.get(entry.family, "f32")).items()
        }

    def validate(self, source: str) -> None:
        """Check every array against the contract.

        Raises:
            DataError: arrays are missing, unexpected, of another shape or not finite; all of them are named, after `source`.
        """
        problems = compare_shapes(self.shapes(), self.arrays)
        for name, array in self.arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                problems.append(f"{name} holds NaN or infinity")
        if problems:
            raise DataError(f"{source}: {'; '.join(problems)}")


def compare_shapes(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, Array]) -> list[str]:
    """Return what is wrong with `found`, one phrase a kind of mistake; a wanted shape () means 1-D of any length."""
    problems = []
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    if missing:
        problems.append(f"missing {_listed(missing)}")
    if extra:
        problems.append(f"unexpected {_listed(extra)}")
    for name, shape in wanted.items():
        if name in found and found[name].shape != shape and not (shape == () and found[name].ndim == 1):
            problems.append(f"{name} has shape {found[name].shape}, wanted {shape}")
    return problems


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def metadata_size(metadata: Mapping[str, Any], key: str) -> int:
    """Return a size from the metadata; DataError when it is missing or not a positive int."""
    value = metadata.get(key)
    if type(value) is not int or value <= 0:
        raise DataError(f"{key}: wanted a positive whole number, found {value!r}")
    return value
