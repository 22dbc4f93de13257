"""Sottovoce: on-device speech and language understanding."""

from sottovoce._native import __version__
from sottovoce.errors import SottovoceError

__all__ = ["SottovoceError", "__version__"]
