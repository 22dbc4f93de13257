"""Plain text, a sentence a line."""

from __future__ import annotations

from pathlib import Path

from sottovoce.errors import DataError


def read_lines(path: Path) -> list[str]:
    """Return the non-empty lines of a text file. Raises DataError when it is not UTF-8."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: wanted UTF-8 text: {error}") from None
