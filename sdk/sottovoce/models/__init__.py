"""The models that the package carries, and how a name or a path becomes a file."""

from __future__ import annotations

import os

from sottovoce.errors import InvalidInputError, ModelNotFoundError

# os.path, not pathlib: importing pathlib would take longer than loading a model.
_DIRECTORY = os.path.dirname(__file__)
_SUFFIX = ".gguf"
_MANIFEST = "assistant.json"


def bundled() -> dict[str, str]:
    """Return the bundled models: name -> path, sorted by name."""
    names = sorted(file.removesuffix(_SUFFIX) for file in os.listdir(_DIRECTORY) if file.endswith(_SUFFIX))
    return {name: os.path.join(_DIRECTORY, name + _SUFFIX) for name in names}


def resolve(name_or_path: str | os.PathLike[str]) -> str:
    """Return the file of a bundled model's name (such as ``snips-en``) or of a path.

    Raises:
        InvalidInputError: the path is a directory.
        ModelNotFoundError: neither a bundled model nor an existing file.
    """
    path = os.fspath(name_or_path)
    # A bare name means the bundled model even when a directory of that name stands beside the caller.
    if os.path.basename(path) == path and not path.endswith(_SUFFIX):
        known = bundled()
        if path in known:
            return known[path]
    if os.path.isfile(path):
        return path
    if os.path.isfile(os.path.join(path, _MANIFEST)):
        raise InvalidInputError(f"{path}: is an assistant, wanted one model; Assistant.from_pretrained opens it")
    if os.path.isdir(path):
        raise InvalidInputError(f"{path}: is a directory, wanted a {_SUFFIX} file or the name of a bundled model")
    raise ModelNotFoundError(f"{path}: no such file, and the bundled models are {', '.join(bundled()) or 'none'}")


def bundled_assistants() -> dict[str, str]:
    """Return the bundled assistants: name -> folder, sorted by name."""
    folders = {name: os.path.join(_DIRECTORY, name) for name in sorted(os.listdir(_DIRECTORY))}
    return {name: folder for name, folder in folders.items() if os.path.isfile(os.path.join(folder, _MANIFEST))}


def resolve_assistant(name_or_path: str | os.PathLike[str]) -> str:
    """Return the folder of a bundled assistant's name, or the folder or file of a path; ModelNotFoundError for neither."""
    path = os.fspath(name_or_path)
    known = bundled_assistants()
    # As in `resolve`: a bare name means the bundled assistant first.
    if path in known:
        return known[path]
    if os.path.exists(path):
        return path
    raise ModelNotFoundError(
        f"{path}: no such folder or file, and the bundled assistants are {', '.join(known) or 'none'}"
    )
