"""What a stream reports: partial and final transcripts, endpoints, and, from an assistant, intents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from sottovoce.assistant import ResolvedSlot
    from sottovoce.intent_parser import Intent, ParseResult


class Word(NamedTuple):
    """A recognized word: its times in seconds from the start of the audio, and the model's confidence in [0, 1]."""

    text: str
    start: float
    end: float
    confidence: float


class Alternative(NamedTuple):
    """Another reading of an utterance, with the natural logarithm of its probability."""

    text: str
    log_prob: float


class _PartialFields(NamedTuple):
    text: str
    words: tuple[Word, ...]


class PartialEvent(_PartialFields):
    """The utterance so far; the next one may take words back."""

    __slots__ = ()
    kind: ClassVar[str] = "partial"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dictionaries, ready for ``json.dumps``."""
        return {"kind": self.kind, "text": self.text, "words": [word._asdict() for word in self.words]}


class _FinalFields(NamedTuple):
    text: str
    words: tuple[Word, ...]
    confidence: float
    start: float
    end: float
    alternatives: tuple[Alternative, ...]


class FinalEvent(_FinalFields):
    """A whole utterance; times in seconds from the start of the stream, ``alternatives`` best first and with this one."""

    __slots__ = ()
    kind: ClassVar[str] = "final"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dictionaries, ready for ``json.dumps``."""
        return {
            "kind": self.kind,
            "text": self.text,
            "words": [word._asdict() for word in self.words],
            "confidence": self.confidence,
            "start": self.start,
            "end": self.end,
            "alternatives": [alternative._asdict() for alternative in self.alternatives],
        }


class _EndpointFields(NamedTuple):
    time: float
    reason: str


class EndpointEvent(_EndpointFields):
    """The utterance was over at ``time`` (seconds): ``reason`` is ``silence`` or ``max_length``. A final came before."""

    __slots__ = ()
    kind: ClassVar[str] = "endpoint"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dictionaries, ready for ``json.dumps``."""
        return {"kind": self.kind, **self._asdict()}


class _IntentFields(NamedTuple):
    text: str
    intent: Intent
    slots: tuple[ResolvedSlot, ...]
    out_of_scope: bool
    parse: ParseResult


class IntentEvent(_IntentFields):
    """What a final transcript means; ``parse`` has the slots as heard."""

    __slots__ = ()
    kind: ClassVar[str] = "intent"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dictionaries, ready for ``json.dumps``."""
        return {"kind": self.kind, **self.parse.to_dict(), "slots": [slot._asdict() for slot in self.slots]}


Event = PartialEvent | FinalEvent | EndpointEvent | IntentEvent


def stream_event(native: tuple[Any, ...]) -> PartialEvent | FinalEvent | EndpointEvent:
    """Return an event of a native stream's ``poll`` under its names."""
    kind, *fields = native
    if kind == "endpoint":
        return EndpointEvent(*fields)
    text, words = fields[0], tuple([Word(*word) for word in fields[1]])
    if kind == "partial":
        return PartialEvent(text, words)
    _, _, confidence, start, end, alternatives = fields
    return FinalEvent(text, words, confidence, start, end, tuple([Alternative(*each) for each in alternatives]))
