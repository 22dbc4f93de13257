"""The weights of an artifact as floats again, exactly as the runtime sees them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from sottovoce.errors import UnsupportedError
from sottovoce.export import packing

Floats = npt.NDArray[np.float32]

_UNPACKERS: dict[str, Callable[[Any, int, int], packing.Codes]] = {
    ".q1p16x8": packing.unpack_q1p16x8,
    ".q2p16x4": packing.unpack_q2p16x4,
    ".q8p16x4": packing.unpack_q8p16x4,
    ".q1r": packing.unpack_q1r,
    ".q2r": packing.unpack_q2r,
    ".q8r": packing.unpack_q8r,
}


class ArtifactWeights:
    """Dequantized tensors of an artifact by their stem (docs/artifact_format.md), and its metadata."""

    def __init__(self, path: str | os.PathLike[str], architecture: str | None = None) -> None:
        """Read the whole file, one that `sottovoce.Artifact` accepts.

        Raises UnsupportedError: it is of another architecture than the one given.
        """
        reader = gguf.GGUFReader(os.fspath(path))
        self.metadata: dict[str, Any] = {name: field.contents() for name, field in reader.fields.items()}
        found = self.metadata.get("general.architecture")
        if architecture is not None and found != architecture:
            raise UnsupportedError(f"{path}: architecture {found!r}, wanted {architecture!r}")
        self._tensors = {tensor.name: np.asarray(tensor.data) for tensor in reader.tensors}

    def plain(self, name: str) -> Floats:
        """Return a float tensor, flat."""
        return self._tensors[name].astype(np.float32).reshape(-1)

    def bytes(self, name: str) -> bytes:
        """Return a tensor of bytes, such as `tokenizer.vocab`."""
        return self._tensors[name].view(np.uint8).tobytes()

    def matrix(self, stem: str, rows: int, cols: int) -> Floats:
        """Return an embedding (`embeddings.word`) or the weight of a product (`intent.weight`), shape (rows, cols).

        Raises:
            KeyError: the artifact has no weights of that name.
        """
        if f"{stem}.f32" in self._tensors:
            return self.plain(f"{stem}.f32").reshape(rows, cols)
        for suffix, unpack in _UNPACKERS.items():
            if f"{stem}{suffix}" in self._tensors:
                data = self._tensors[f"{stem}{suffix}"].reshape(-1).view(np.uint8)
                first = packing.dequantize(unpack(data, rows, cols), self._tensors[f"{stem}.scale"].reshape(-1))
                split = f"{stem}_2{suffix}" in self._tensors
                return first + self.matrix(f"{stem}_2", rows, cols) if split else first
        raise KeyError(f"{stem}: no weights of that name in the artifact")
