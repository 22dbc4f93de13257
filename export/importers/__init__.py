"""Importers: a checkpoint of some origin -> Spec. One module an origin; the first whose `accepts` says yes reads it."""

from __future__ import annotations

import os
from pathlib import Path

from sottovoce.errors import ModelNotFoundError, UnsupportedError
from sottovoce.export.checkpoint import read_json
from sottovoce.export.importers import hugging_face, mpnet, own, packages
from sottovoce.export.importers.imported import Imported

__all__ = ["Imported", "find", "load"]

_IMPORTERS = (own, mpnet, hugging_face)


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the directory of a checkpoint: a path, or the name of an installed package (`minilm`, `mpnet`).

    Raises:
        ModelNotFoundError: no such directory, or the package is not installed.
    """
    path = Path(name_or_path)
    if path.is_dir():
        return path
    if str(name_or_path) in packages.NAMES:
        return packages.find_packaged(str(name_or_path))
    if path.exists():
        raise ModelNotFoundError(f"{path}: wanted a checkpoint directory, found a file")
    raise ModelNotFoundError(f"{path}: no such checkpoint directory")


def load(name_or_path: str | os.PathLike[str]) -> Imported:
    """Read a checkpoint of any known kind; its Spec is validated.

    Raises:
        ModelNotFoundError: the directory or a file of it is missing.
        UnsupportedError: a kind of model this package does not know.
        DataError: a file is corrupt; tensors are missing, unexpected or of a wrong shape (all named).
    """
    directory = find(name_or_path)
    config = read_json(directory / "config.json")
    for importer in _IMPORTERS:
        if importer.accepts(config):
            imported: Imported = importer.load(directory, config)
            imported.spec.validate(str(directory))
            return imported
    kind = config.get("model_type") or config.get("format") or config.get("architectures")
    raise UnsupportedError(
        f"{directory}: model type {kind!r}; wanted a BERT or MPNet of Hugging Face or a checkpoint of ours"
    )
