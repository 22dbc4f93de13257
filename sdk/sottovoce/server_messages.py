"""What clients of the server send, hostile until checked: a configuration, samples, the end. docs/server.md describes it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sottovoce.recognizer import LISTEN_SILENCE

if TYPE_CHECKING:
    from sottovoce.audio import FloatArray

ENCODINGS: dict[str, np.dtype[Any]] = {"int16": np.dtype("<i2"), "float32": np.dtype("<f4")}
_NUMBERS = ("endpoint_silence", "endpoint_min_speech", "endpoint_max", "biasing_boost", "lm_scale", "lm_bonus")
_INTEGERS = ("sample_rate", "beam", "alternatives")
_KEYS = ("kind", "encoding", "partials", "biasing", *_INTEGERS, *_NUMBERS)
_MOST_PHRASES = 1000


class MessageError(Exception):
    """A message that is not of the protocol."""


class Config(NamedTuple):
    """What a client wants: the rate in Hz and the encoding of its samples, and the options of `Recognizer.stream`."""

    sample_rate: int
    encoding: str
    partials: bool
    options: dict[str, Any]


def _object(message: str | bytes, wanted: str) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise MessageError(f"wanted {wanted}, found binary")
    try:
        content = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"wanted {wanted} as JSON: {error}") from None
    if not isinstance(content, dict):
        raise MessageError(f"wanted {wanted}, a JSON object, found {message[:40]!r}")
    return content


def read_config(message: str | bytes, default_rate: int) -> Config:
    """Read the first message. Raises MessageError, naming the entry; ranges are the recognizer's to check."""
    content = _object(message, 'a first message {"kind": "config", ...}')
    if content.get("kind") != "config":
        raise MessageError(f'kind: wanted "config" first, found {content.get("kind")!r}')
    for key, value in content.items():
        if key not in _KEYS:
            raise MessageError(f"{key}: unknown; wanted {', '.join(_KEYS)}")
        if key in _INTEGERS and (isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1 << 30):
            raise MessageError(f"{key}: wanted a whole number, found {value!r}")
        if key in _NUMBERS and not _is_number(value):
            raise MessageError(f"{key}: wanted a number, found {value!r}")
    encoding, partials = content.get("encoding", "int16"), content.get("partials", True)
    rate = content.get("sample_rate", default_rate)
    if not isinstance(encoding, str) or encoding not in ENCODINGS:
        raise MessageError(f"encoding: wanted {' or '.join(ENCODINGS)}, found {encoding!r}")
    if not isinstance(partials, bool):
        raise MessageError(f"partials: wanted true or false, found {partials!r}")
    if not 8000 <= rate <= 192000:
        raise MessageError(f"sample_rate: wanted 8000 to 192000, found {rate}")
    options = {key: content[key] for key in ("beam", "alternatives", *_NUMBERS) if key in content}
    options.setdefault("endpoint_silence", LISTEN_SILENCE)
    if "biasing" in content:
        options["biasing"] = _phrases(content["biasing"])
    return Config(rate, encoding, partials, options)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _phrases(value: Any) -> list[str | tuple[str, float]]:
    if not isinstance(value, list) or len(value) > _MOST_PHRASES:
        raise MessageError(f"biasing: wanted a list of at most {_MOST_PHRASES} phrases")
    phrases: list[str | tuple[str, float]] = []
    for item in value:
        if isinstance(item, str):
            phrases.append(item)
        elif isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and _is_number(item[1]):
            phrases.append((item[0], float(item[1])))
        else:
            raise MessageError(f"biasing: wanted a phrase or [phrase, boost], found {str(item)[:40]!r}")
    return phrases


def read_control(message: str) -> None:
    """Read a text message after the first: the end. Raises MessageError."""
    if (found := _object(message, '{"kind": "end"} or binary samples').get("kind")) != "end":
        raise MessageError(f'kind: wanted "end", found {found!r}')


def read_audio_message(message: bytes, encoding: str) -> FloatArray:
    """Return the (n,) samples of a binary message, little-endian, as float32 in +-1. Raises MessageError."""
    kind = ENCODINGS[encoding]
    if len(message) % kind.itemsize:
        raise MessageError(f"audio: wanted whole {encoding} samples, found {len(message)} bytes")
    samples = np.frombuffer(message, kind)
    if encoding == "int16":
        scaled: FloatArray = samples.astype(np.float32) / np.float32(32768)
        return scaled
    return samples.astype(np.float32)
