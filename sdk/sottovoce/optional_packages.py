"""The packages that only some features need: imported when one is used, with an error that says how to get it."""

from __future__ import annotations

import importlib
from typing import Any

from sottovoce.errors import MissingPackageError

# Package -> the extra of this one that brings it.
EXTRAS = {"rich": "cli", "sounddevice": "mic", "soundfile": "audio", "websockets": "serve"}
_LIBRARIES = {"sounddevice": "PortAudio (Debian: libportaudio2)", "soundfile": "libsndfile (Debian: libsndfile1)"}


def import_package(module: str, purpose: str) -> Any:
    """Return an optional package, or a module of it; MissingPackageError says what `purpose` needs and how to install it."""
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        raise MissingPackageError(
            f"{purpose} needs the package {package}, which is not installed: pip install 'sottovoce[{EXTRAS[package]}]'"
        ) from None
    except OSError as error:  # the package is there, the library under it is not
        raise MissingPackageError(
            f"{purpose} needs the library {_LIBRARIES.get(package, 'of ' + package)}: {error}"
        ) from None
