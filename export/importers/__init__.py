"""Importers: a checkpoint of some origin -> Spec. One module an origin; the first whose `recognize` gives a reason reads it."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from sottovoce.errors import ModelNotFoundError, UnsupportedError
from sottovoce.export.import_options import ImportOptions
from sottovoce.export.importers import (
    auto_tiny_bert,
    binary_bert,
    dyna_bert,
    hugging_face,
    mpnet,
    nezha,
    own,
    packages,
    ternary_bert,
    tiny_bert,
)
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source

__all__ = ["ImportOptions", "Imported", "Recognized", "find", "load", "open_source", "read", "recognize"]

# Marks in the tensors' names are surer than a configuration, so those come before plain BERT.
_IMPORTERS: tuple[ModuleType, ...] = (
    own,
    mpnet,
    binary_bert,
    ternary_bert,
    nezha,
    tiny_bert,
    dyna_bert,
    auto_tiny_bert,
    hugging_face,
)
_TENSOR_SUFFIXES = (".bin", ".pt", ".pth", ".safetensors")


class Recognized(NamedTuple):
    """What a checkpoint is: the family's name, why, and the module that reads it."""

    family: str
    reason: str
    importer: ModuleType


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


def open_source(name_or_path: str | os.PathLike[str], options: ImportOptions | None = None) -> Source:
    """Return the checkpoint without reading it: a directory, a packaged name, or one file of tensors.

    Raises:
        ModelNotFoundError: as `find`.
    """
    path = Path(name_or_path)
    options = options or ImportOptions()
    if path.is_file() and path.suffix in _TENSOR_SUFFIXES:
        return Source(path.parent, path, options)
    return Source(find(name_or_path), None, options)


def recognize(source: Source) -> Recognized:
    """Return what a checkpoint is.

    Raises:
        ModelNotFoundError: it has no configuration, and the options do not stand in for it, or no tensors.
        UnsupportedError: a kind of model this package does not know.
        DataError: a file is corrupt.
    """
    source.require_config()
    for importer in _IMPORTERS:
        reason = importer.recognize(source)
        if reason:
            return Recognized(importer.FAMILY, reason, importer)
    if source.config_path is None:
        raise UnsupportedError(
            f"{source}: its tensors are not those of a BERT: {', '.join(sorted(source.tensors)[:4])}"
        )
    config = source.config
    kind = config.get("model_type") or config.get("format") or config.get("architectures")
    families = ", ".join(importer.FAMILY for importer in _IMPORTERS)
    raise UnsupportedError(f"{source.directory}: model type {kind!r}; wanted one of {families}")


def read(source: Source) -> Imported:
    """Read an opened checkpoint; its Spec is validated. Raises as `load`."""
    found = recognize(source)
    options = source.options
    if (options.width, options.depth) != (1.0, 1.0) and found.importer is not dyna_bert:
        raise UnsupportedError(
            f"{source}: width {options.width:g} and depth {options.depth:g} wanted of a {found.family}; only a DynaBERT "
            "has its heads and neurons in order of importance"
        )
    imported: Imported = found.importer.load(source)
    imported.spec.validate(str(source))
    return imported


def load(name_or_path: str | os.PathLike[str], options: ImportOptions | None = None) -> Imported:
    """Read a checkpoint of any known kind; its Spec is validated.

    Raises:
        ModelNotFoundError: the directory or a file of it is missing.
        UnsupportedError: a kind of model this package does not know.
        DataError: a file is corrupt; tensors are missing, unexpected or of a wrong shape (all named).
    """
    return read(open_source(name_or_path, options))
