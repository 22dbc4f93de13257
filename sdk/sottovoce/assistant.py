"""Speech to intent and slots: a recognizer and a parser together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from sottovoce.intent_parser import Intent, IntentParser, ParseResult, Slot

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sottovoce.recognizer import RecognitionResult, Recognizer


class Understanding(NamedTuple):
    """What was said and what it means."""

    recognition: RecognitionResult
    parse: ParseResult

    @property
    def text(self) -> str:
        """The transcript."""
        return self.parse.text

    @property
    def intent(self) -> Intent:
        """The best intent."""
        return self.parse.intent

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots; ``start`` and ``end`` are characters of :attr:`text`."""
        return self.parse.slots

    @property
    def out_of_scope(self) -> bool:
        """True when even the best intent is too unlikely to act upon."""
        return self.parse.out_of_scope

    def to_dict(self) -> dict[str, Any]:
        """Return the parse with the words' times added, ready for ``json.dumps``."""
        return self.parse.to_dict() | {"words": [word._asdict() for word in self.recognition.words]}


class Assistant:
    """Understands speech: transcribes it, then parses the transcript."""

    def __init__(self, recognizer: Recognizer, parser: IntentParser) -> None:
        """Join a recognizer and a parser; both may be shared with other assistants and threads."""
        self.recognizer = recognizer
        self.parser = parser

    def understand(
        self, audio: str | os.PathLike[str] | ArrayLike, sample_rate: int | None = None, *, top_k: int = 1
    ) -> Understanding:
        """Return the transcript, the intent and the slots of one recording.

        Args:
            audio: a WAV file, or samples, float32 in [-1, 1], shape (num_samples,).
            sample_rate: of the samples, in Hz; a file says its own.
            top_k: how many intents to return.

        Raises:
            SottovoceError: as :meth:`Recognizer.transcribe` and :meth:`IntentParser.parse`.
        """
        recognition = self.recognizer.transcribe(audio, sample_rate)
        return Understanding(recognition, self.parser.parse(recognition.text, top_k=top_k))
