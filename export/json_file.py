"""JSON files named on the command line."""

from __future__ import annotations

import json
import os
from typing import Any

from sottovoce.errors import DataError, ModelNotFoundError


def read_json(path: str | os.PathLike[str], kind: type) -> Any:
    """Return what a file holds. Raises ModelNotFoundError; DataError: it is no JSON in UTF-8, or not of this kind."""
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        raise ModelNotFoundError(f"{name}: no such file") from None
    except ValueError as error:
        raise DataError(f"{name}: wanted JSON in UTF-8: {error}") from None
    if not isinstance(content, kind):
        raise DataError(f"{name}: wanted a JSON {kind.__name__}, found {type(content).__name__}")
    return content
