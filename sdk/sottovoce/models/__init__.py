"""The models that the package carries, and how a name or a path becomes a file."""

from __future__ import annotations

import os
from pathlib import Path

from sottovoce.errors import InvalidInputError, ModelNotFoundError

_SUFFIX = ".gguf"


def bundled() -> dict[str, Path]:
    """Return the bundled models: name -> path, sorted by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob(f"*{_SUFFIX}"))}


def resolve(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a bundled model's name (such as ``snips-en``) or of a path.

    Raises:
        InvalidInputError: the path is a directory.
        ModelNotFoundError: neither a bundled model nor an existing file.
    """
    text = os.fspath(name_or_path)
    path = Path(text)
    # A bare name means the bundled model even when a directory of that name stands beside the caller.
    if path.name == text and path.suffix != _SUFFIX:
        known = bundled()
        if text in known:
            return known[text]
    if path.is_file():
        return path
    if path.is_dir():
        raise InvalidInputError(f"{text}: is a directory, wanted a {_SUFFIX} file or the name of a bundled model")
    raise ModelNotFoundError(f"{text}: no such file, and the bundled models are {', '.join(bundled()) or 'none'}")
