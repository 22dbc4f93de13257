"""Text to intent and slots."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from sottovoce import _native
from sottovoce.errors import InvalidInputError
from sottovoce.models import resolve
from sottovoce.tokenizer import Tokenizer


class Intent(NamedTuple):
    """An intent and its calibrated probability in [0, 1]."""

    name: str
    score: float


class Slot(NamedTuple):
    """A slot: ``value`` is the text as said, ``text[start:end]``; ``score`` the model's confidence in [0, 1]."""

    name: str
    value: str
    start: int
    end: int
    score: float


class ParseResult(NamedTuple):
    """What an utterance means.

    ``intents`` are the ``top_k`` best, best first. ``out_of_scope`` says that even the best one is too unlikely to act upon.
    """

    text: str
    intents: tuple[Intent, ...]
    slots: tuple[Slot, ...]
    out_of_scope: bool
    warnings: tuple[str, ...]

    @property
    def intent(self) -> Intent:
        """The best intent, also when the utterance is out of scope."""
        return self.intents[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain lists and dictionaries, ready for ``json.dumps``."""
        result: dict[str, Any] = {
            "text": self.text,
            "intent": self.intent._asdict(),
            "intents": [intent._asdict() for intent in self.intents],
            "slots": [slot._asdict() for slot in self.slots],
            "out_of_scope": self.out_of_scope,
        }
        if self.warnings:
            result["warnings"] = list(self.warnings)
        return result


class IntentParser:
    """A joint intent and slot model. Immutable: one parser serves any number of threads, and computes without the GIL."""

    def __init__(self, native: _native.IntentParser) -> None:
        """Wrap a native parser; use :meth:`from_pretrained` or :meth:`from_bytes`."""
        self._native = native
        self._tokenizer: Tokenizer | None = None

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike[str], *, width: float = 1.0, depth: float = 1.0
    ) -> IntentParser:
        """Open a bundled model by name (``sottovoce models`` lists them) or an artifact by path.

        Args:
            name_or_path: what to open; parsers of one file share its memory.
            width: share of the heads and neurons to use, of an adaptive model (DynaBERT) such as ``snips-en-dyna``.
            depth: share of the layers to use, likewise.

        Raises:
            InvalidInputError: the model does not offer that width or depth; the message says which it does.
            ModelNotFoundError: no such file or name.
            DataError: the artifact is corrupt or truncated.
            UnsupportedError: the file is of another kind or of a newer format version.
        """
        return cls(_native.IntentParser.open(os.fsencode(resolve(name_or_path)), width, depth))

    @classmethod
    def from_bytes(cls, data: bytes, *, width: float = 1.0, depth: float = 1.0) -> IntentParser:
        """Open an artifact that is in memory; the bytes are kept, not copied. Otherwise as :meth:`from_pretrained`."""
        return cls(_native.IntentParser.open_memory(data, width, depth))

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        if self._tokenizer is None:
            self._tokenizer = Tokenizer(self._native.tokenizer)
        return self._tokenizer

    @property
    def intents(self) -> list[str]:
        """The intents the model knows."""
        return list(self._native.intent_labels)

    @property
    def slot_names(self) -> list[str]:
        """The slots the model knows, sorted."""
        return sorted({label[2:] for label in self._native.slot_labels if label[:2] in ("B-", "I-")})

    def parse(self, text: str, *, top_k: int = 1) -> ParseResult:
        """Return the intent and the slots of one utterance.

        Args:
            text: any text; longer than the model's positions, it is parsed by its first window, with a warning.
            top_k: how many intents to return, at least 1.

        Raises:
            InvalidInputError: ``text`` is no string, or ``top_k`` no positive whole number.
        """
        if not isinstance(text, str):
            raise InvalidInputError(f"text: wanted str, found {type(text).__name__}")
        if not isinstance(top_k, int) or top_k < 1:
            raise InvalidInputError(f"top_k: wanted a whole number of at least 1, found {top_k!r}")
        intents, slots, out_of_scope, warnings = self._native.parse(text, top_k)
        return ParseResult(
            text,
            tuple([Intent(*intent) for intent in intents]),
            tuple([Slot(name, text[start:end], start, end, score) for name, start, end, score in slots]),
            out_of_scope,
            tuple(warnings),
        )
