"""Speech to intent and slots: a recognizer and a parser together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from sottovoce.events import EndpointEvent, FinalEvent, IntentEvent, PartialEvent
from sottovoce.intent_parser import Intent, IntentParser, ParseResult
from sottovoce.recognizer import DEFAULT_BOOST, RecognitionResult, Recognizer, biasing_phrases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import ArrayLike


class ResolvedSlot(NamedTuple):
    """A slot of an assistant: ``value`` is the text as heard, ``text[start:end]``; ``resolved`` the declared value it means.

    They are equal when the assistant declares no values for the slot, or none that sounds like it.
    """

    name: str
    value: str
    start: int
    end: int
    score: float
    resolved: str


class Understanding(NamedTuple):
    """What was said and what it means; ``start`` and ``end`` of a slot are characters of :attr:`text`."""

    recognition: RecognitionResult
    parse: ParseResult
    slots: tuple[ResolvedSlot, ...]

    @property
    def text(self) -> str:
        """The transcript."""
        return self.parse.text

    @property
    def intent(self) -> Intent:
        """The best intent."""
        return self.parse.intent

    @property
    def out_of_scope(self) -> bool:
        """True when even the best intent is too unlikely to act upon."""
        return self.parse.out_of_scope

    def to_dict(self) -> dict[str, Any]:
        """Return the parse with resolved slots and the words' times, ready for ``json.dumps``."""
        return self.parse.to_dict() | {
            "slots": [slot._asdict() for slot in self.slots],
            "words": [word._asdict() for word in self.recognition.words],
        }


class Assistant:
    """Understands speech: transcribes it, then parses the transcript. Immutable: one serves any number of threads."""

    def __init__(
        self,
        recognizer: Recognizer,
        parser: IntentParser,
        *,
        name: str = "",
        beam: int | None = None,
        biasing: Iterable[str | tuple[str, float]] = (),
        slots: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Join a recognizer and a parser; both may be shared with other assistants and threads.

        Args:
            recognizer: what hears.
            parser: what makes sense of the transcript.
            name: for people.
            beam: hypotheses that the search keeps, 1 to 64, unless a call says otherwise; None: the recognizer's default.
            biasing: phrases that are likely here, or (phrase, boost) pairs.
            slots: slot -> {"values": [what may be said, ...], "synonyms": {said: value}}.

        Raises:
            InvalidInputError: a phrase that is neither text nor such a pair.
            TypeError: values that are no list, or synonyms that are no mapping.
        """
        self.recognizer = recognizer
        self.parser = parser
        self.name = name
        self.beam = recognizer.default_beam if beam is None else beam
        self.biasing = tuple(biasing_phrases(biasing))
        self._values = None
        if slots:
            from sottovoce.slot_values import SlotValues  # a parser's users need none of it

            self._values = SlotValues(slots)

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str]) -> Assistant:
        """Open a bundled assistant by name, or by path: a folder with assistant.json, or an uncompressed zip of one.

        Raises:
            ModelNotFoundError: no such assistant, or a file of it is missing.
            DataError: assistant.json or a model is corrupt; the message names the entry.
            UnsupportedError: of another kind or of a newer version.
        """
        from sottovoce.assistant_bundle import open_bundle

        bundle = open_bundle(name_or_path)
        heard, meant = bundle.recognizer, bundle.parser
        return cls(
            Recognizer.from_bytes(heard) if isinstance(heard, bytes) else Recognizer.from_pretrained(heard),
            IntentParser.from_bytes(meant) if isinstance(meant, bytes) else IntentParser.from_pretrained(meant),
            name=bundle.name,
            beam=bundle.beam,
            biasing=bundle.biasing,
            slots=bundle.slots,
        )

    def understand(
        self,
        audio: str | os.PathLike[str] | ArrayLike,
        sample_rate: int | None = None,
        *,
        top_k: int = 1,
        beam: int | None = None,
        biasing: Iterable[str | tuple[str, float]] | None = None,
        biasing_boost: float = DEFAULT_BOOST,
        lm_scale: float | None = None,
        lm_bonus: float | None = None,
    ) -> Understanding:
        """Return the transcript, the intent and the slots of one recording.

        Args:
            audio: an audio file, or samples, float32 in [-1, 1], shape (num_samples,).
            sample_rate: of the samples, in Hz; a file says its own.
            top_k: how many intents to return.
            beam: hypotheses that the search keeps, 1 to 64; None: the assistant's own.
            biasing: phrases instead of the assistant's own; () for none.
            biasing_boost: of phrases without a boost of their own.
            lm_scale, lm_bonus: of :meth:`Recognizer.stream`.

        Raises:
            SottovoceError: as :meth:`Recognizer.transcribe` and :meth:`IntentParser.parse`.
        """
        phrases = self.biasing if biasing is None else biasing
        recognition = self.recognizer.transcribe(
            audio,
            sample_rate,
            beam=self.beam if beam is None else beam,
            biasing=phrases,
            biasing_boost=biasing_boost,
            lm_scale=lm_scale,
            lm_bonus=lm_bonus,
        )
        parse = self.parser.parse(recognition.text, top_k=top_k)
        return Understanding(recognition, parse, self._resolved(parse))

    def listen(
        self, chunks: Iterable[ArrayLike], sample_rate: int | None = None, *, top_k: int = 1, **options: Any
    ) -> Iterator[PartialEvent | FinalEvent | EndpointEvent | IntentEvent]:
        """Yield the events of a live source until it ends; an intent event follows each final with words.

        Args:
            chunks: (n,) mono samples each, such as :func:`sottovoce.microphone` yields.
            sample_rate: as for :meth:`Recognizer.listen`.
            top_k: how many intents an intent event's ``parse`` has.
            options: of :meth:`Recognizer.stream`; ``beam`` and ``biasing`` are the assistant's own unless given.

        Raises:
            SottovoceError: as :meth:`Recognizer.listen` and :meth:`IntentParser.parse`.
        """
        for event in self.recognizer.listen(
            chunks, sample_rate, **{"beam": self.beam, "biasing": self.biasing} | options
        ):
            yield event
            if isinstance(event, FinalEvent) and event.text:
                yield self.interpret(event.text, top_k=top_k)

    def interpret(self, text: str, *, top_k: int = 1) -> IntentEvent:
        """Return what a transcript means, slots resolved. Raises InvalidInputError as :meth:`IntentParser.parse`."""
        parse = self.parser.parse(text, top_k=top_k)
        return IntentEvent(text, parse.intent, self._resolved(parse), parse.out_of_scope, parse)

    def _resolved(self, parse: ParseResult) -> tuple[ResolvedSlot, ...]:
        values = self._values
        return tuple(
            [
                ResolvedSlot(*slot, slot.value if values is None else values.resolve(slot.name, slot.value))
                for slot in parse.slots
            ]
        )
