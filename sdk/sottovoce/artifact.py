"""What an artifact file holds (docs/artifact_format.md)."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from sottovoce import _native


class TensorInfo(NamedTuple):
    """One tensor: ``type`` is F32, F16 or I8 (packed bytes); ``shape`` in GGUF order, the fastest dimension first."""

    name: str
    type: str
    shape: tuple[int, ...]
    bytes: int


class Artifact:
    """An open, validated artifact."""

    def __init__(self, native: _native.Artifact) -> None:
        """Wrap a native artifact; use :meth:`open`."""
        self._native = native

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Artifact:
        """Open and check a file: structure, ranges, version, checksums of the header and of every tensor.

        Raises:
            ModelNotFoundError: no such file.
            InvalidInputError: a directory, pipe or device.
            InputOutputError: the system refused to open or map it.
            DataError: corrupt, truncated or no artifact at all.
            UnsupportedError: of a newer version, or in need of a feature this build lacks.
        """
        return cls(_native.Artifact.open(os.fsencode(path)))

    @property
    def architecture(self) -> str:
        """Which model the artifact is: ``bert-intent-slot`` or ``conv-transformer-transducer``."""
        return str(self.metadata["general.architecture"])

    @property
    def metadata(self) -> dict[str, Any]:
        """All metadata, by key."""
        return dict(self._native.metadata)

    @property
    def tensors(self) -> list[TensorInfo]:
        """All tensors, in file order."""
        return [TensorInfo(*tensor) for tensor in self._native.tensors]

    def verify(self) -> None:
        """Check the SHA-256 over all tensors; DataError when it does not match."""
        self._native.verify()
