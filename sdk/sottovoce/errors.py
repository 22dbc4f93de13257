"""What the package raises. Every message names the thing, what was wanted and what was found."""

from __future__ import annotations


class SottovoceError(Exception):
    """Base class of all errors of this package."""


class InvalidInputError(SottovoceError, ValueError):
    """A value the caller gave is wrong: an option, a sample rate, audio with NaN."""


class ModelNotFoundError(SottovoceError, FileNotFoundError):
    """No such file, and no bundled model of that name."""


class DataError(SottovoceError, ValueError):
    """An artifact or an audio file is corrupt or truncated."""


class UnsupportedError(SottovoceError, ValueError):
    """Well formed, but of a kind, a version or an instruction set that this build or CPU lacks."""


class InputOutputError(SottovoceError, OSError):
    """The operating system refused to read or write a file."""


class MissingPackageError(SottovoceError, ImportError):
    """A feature needs a package, or a library of the system, that is not installed."""


# StatusCode of csrc/base/status.h -> exception.
_BY_STATUS: dict[int, type[SottovoceError]] = {
    1: InvalidInputError,
    2: ModelNotFoundError,
    3: DataError,
    4: UnsupportedError,
    5: InputOutputError,
}


def from_status(code: int, message: str) -> Exception:
    """Return the exception for a C++ status; called by the native module."""
    if code == 6:
        return MemoryError(message)
    return _BY_STATUS.get(code, SottovoceError)(message)
