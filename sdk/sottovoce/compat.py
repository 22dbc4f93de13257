"""The streaming interfaces of sherpa-onnx and Vosk over this package's models, for programs written for those.

What differs is in docs/migrating.md.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from sottovoce.errors import InvalidInputError
from sottovoce.events import EndpointEvent, FinalEvent, PartialEvent
from sottovoce.recognizer import DEFAULT_BOOST, Recognizer

if TYPE_CHECKING:
    import numpy.typing as npt

    from sottovoce.recognizer import RecognizerStream

__all__ = ["KaldiRecognizer", "Model", "OnlineRecognizer", "OnlineStream"]

# ---- sherpa-onnx ----


class OnlineStream:
    """A stream as sherpa-onnx has it: audio waits until the recognizer decodes it."""

    def __init__(self, stream: RecognizerStream) -> None:
        """Use :meth:`OnlineRecognizer.create_stream`."""
        self._stream = stream
        self._waiting: deque[tuple[npt.ArrayLike, int] | None] = deque()  # None: the input is finished
        self._finals: list[str] = []
        self._partial = ""
        self._endpoint = False

    def accept_waveform(self, sample_rate: int, waveform: npt.ArrayLike) -> None:
        """Take (n,) samples, float32 in +-1 or int16, at a rate in Hz."""
        self._waiting.append((waveform, sample_rate))

    def input_finished(self) -> None:
        """Say that no more audio comes. No silence needs to be added before."""
        self._waiting.append(None)

    def _decode(self) -> None:
        item = self._waiting.popleft()
        for event in self._stream.flush() if item is None else self._stream.push(*item):
            if isinstance(event, PartialEvent):
                self._partial = event.text
            elif isinstance(event, FinalEvent):
                self._finals.append(event.text)
                self._partial = ""
            elif isinstance(event, EndpointEvent):
                self._endpoint = True


class OnlineRecognizer:
    """``sherpa_onnx.OnlineRecognizer`` in the calls of its streaming loop."""

    def __init__(self, recognizer: Recognizer, **options: Any) -> None:
        """Wrap a recognizer; ``options`` are those of :meth:`Recognizer.stream`."""
        self.recognizer = recognizer
        self._options = options

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        enable_endpoint_detection: bool = False,
        rule2_min_trailing_silence: float = 1.2,
        rule3_min_utterance_length: float = 20.0,
        decoding_method: str = "greedy_search",
        max_active_paths: int = 4,
        hotwords_score: float = DEFAULT_BOOST,
    ) -> OnlineRecognizer:
        """Open a model, with the options that sherpa-onnx's ``from_transducer`` has under these names.

        Raises:
            InvalidInputError: another decoding method, or an option out of range.
            SottovoceError: as :meth:`Recognizer.from_pretrained`.
        """
        if decoding_method not in ("greedy_search", "modified_beam_search"):
            raise InvalidInputError(
                f"decoding_method: wanted greedy_search or modified_beam_search, found {decoding_method!r}"
            )
        return cls(
            Recognizer.from_pretrained(name_or_path),
            beam=1 if decoding_method == "greedy_search" else max_active_paths,
            endpoint_silence=rule2_min_trailing_silence if enable_endpoint_detection else None,
            endpoint_min_speech=0.0,  # rule 2: any word
            endpoint_max=rule3_min_utterance_length if enable_endpoint_detection else None,
            biasing_boost=hotwords_score,
        )

    def create_stream(self, hotwords: str | Iterable[str] = ()) -> OnlineStream:
        """Start a stream; ``hotwords`` are phrases, in one text with ``/`` between them or one by one."""
        phrases = hotwords.split("/") if isinstance(hotwords, str) and hotwords else list(hotwords)
        return OnlineStream(self.recognizer.stream(**self._options, biasing=phrases))

    def is_ready(self, stream: OnlineStream) -> bool:
        """Whether audio waits to be decoded."""
        return bool(stream._waiting)

    def decode_stream(self, stream: OnlineStream) -> None:
        """Decode what one ``accept_waveform`` brought. Raises InvalidInputError as :meth:`RecognizerStream.push`."""
        if stream._waiting:
            stream._decode()

    def decode_streams(self, streams: Iterable[OnlineStream]) -> None:
        """Decode of each stream what one ``accept_waveform`` brought."""
        for stream in streams:
            self.decode_stream(stream)

    def get_result(self, stream: OnlineStream) -> str:
        """Return the text since the last :meth:`reset`."""
        return " ".join([text for text in (*stream._finals, stream._partial) if text])

    def is_endpoint(self, stream: OnlineStream) -> bool:
        """Whether an utterance ended since the last :meth:`reset`."""
        return stream._endpoint

    def reset(self, stream: OnlineStream) -> None:
        """Forget the utterances that ended; one that began since then stays."""
        stream._finals.clear()
        stream._endpoint = False


# ---- Vosk ----


class Model:
    """``vosk.Model``: a bundled model's name or a file, also as ``model_name``."""

    def __init__(
        self, model_path: str | os.PathLike[str] | None = None, model_name: str | None = None, lang: str | None = None
    ) -> None:
        """Open the model, of English without any name. Raises as :meth:`Recognizer.from_pretrained`."""
        if lang is not None and not lang.lower().startswith("en"):
            raise InvalidInputError(f"lang: wanted an English one, found {lang!r}")
        self.recognizer = Recognizer.from_pretrained(model_path or model_name or "en-small")


class KaldiRecognizer:
    """``vosk.KaldiRecognizer``: an utterance ends by half a second of silence or after 20 s, and texts come as JSON."""

    def __init__(self, model: Model | Recognizer, sample_rate: float, phrases: str | None = None) -> None:
        """Begin.

        Args:
            model: what recognizes.
            sample_rate: of the audio, in Hz.
            phrases: a JSON list; Vosk hears nothing else, this boosts them and hears the rest too.

        Raises:
            InvalidInputError: phrases that are no JSON list of texts, or that the model's vocabulary cannot write.
        """
        self._recognizer = model.recognizer if isinstance(model, Model) else model
        self._rate = round(sample_rate)
        self._phrases: list[str] = []
        self._words = self._partial_words = False
        self._alternatives = 0
        self._stream: RecognizerStream | None = None
        self._finals: list[FinalEvent] = []
        self._partial: PartialEvent | None = None
        if phrases is not None:
            self.SetGrammar(phrases)

    def SetWords(self, enable: bool) -> None:
        """Give the words with times and confidences, too."""
        self._words = bool(enable)

    def SetPartialWords(self, enable: bool) -> None:
        """The same for partial results."""
        self._partial_words = bool(enable)

    def SetMaxAlternatives(self, count: int) -> None:
        """Give up to this many readings from the next stream on; 0: the text alone."""
        self._alternatives = count
        self._stream = None

    def SetGrammar(self, phrases: str) -> None:
        """Boost other phrases, a JSON list; "[unk]" is left out. Raises InvalidInputError as the constructor."""
        try:
            found = json.loads(phrases)
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(phrase, str) for phrase in found):
            raise InvalidInputError(f"grammar: wanted a JSON list of texts, found {phrases[:60]!r}")
        self._phrases = [phrase for phrase in found if phrase.strip() and phrase != "[unk]"]
        if self._stream is None:
            self._stream = self._open()  # now, that a phrase which is refused is told here
        else:
            self._stream.set_biasing(self._phrases)

    def _open(self) -> RecognizerStream:
        count = max(1, self._alternatives)
        # Kaldi's rules 2 and 5: any word, then half a second of silence; and 20 s whatever is said.
        return self._recognizer.stream(
            endpoint_silence=0.5,
            endpoint_min_speech=0.0,
            endpoint_max=20.0,
            biasing=self._phrases,
            beam=max(count, self._recognizer.default_beam),
            alternatives=count,
        )

    def AcceptWaveform(self, data: bytes | npt.ArrayLike) -> bool:
        """Take audio, bytes of little-endian int16 or an array; True when an utterance ended: see :meth:`Result`.

        It stays True until :meth:`Result` is called. Silence without words ends nothing.

        Raises InvalidInputError for half a sample, NaN or a rate out of range.
        """
        samples = data
        if isinstance(data, bytes | bytearray | memoryview):
            if len(data) % 2:
                raise InvalidInputError(f"AcceptWaveform: wanted whole int16 samples, found {len(data)} bytes")
            samples = np.frombuffer(data, "<i2")
        if self._stream is None:
            self._stream = self._open()
        return self._take(self._stream.push(samples, self._rate))

    def _take(self, events: Iterable[Any]) -> bool:
        for event in events:
            if isinstance(event, PartialEvent):
                self._partial = event
            elif isinstance(event, FinalEvent):
                self._finals.append(event)
                self._partial = None
        return bool(self._finals)

    def PartialResult(self) -> str:
        """Return the utterance so far: {"partial": text}."""
        found: dict[str, Any] = {"partial": self._partial.text if self._partial else ""}
        if self._partial_words and self._partial:
            found["partial_result"] = _vosk_words(self._partial)
        return json.dumps(found, ensure_ascii=False)

    def Result(self) -> str:
        """Return what ended since the last call: {"text": text}, with "result" or "alternatives" when asked for."""
        finals, self._finals = self._finals, []
        text = " ".join([final.text for final in finals if final.text])
        if self._alternatives and len(finals) == 1:
            found: dict[str, Any] = {
                "alternatives": [{"confidence": each.log_prob, "text": each.text} for each in finals[0].alternatives]
            }
        elif self._alternatives:
            found = {"alternatives": [{"confidence": 0.0, "text": text}]}
        else:
            found = {"text": text}
            if self._words and text:
                found["result"] = [word for final in finals for word in _vosk_words(final)]
        return json.dumps(found, ensure_ascii=False)

    def FinalResult(self) -> str:
        """End the audio and return the rest, as :meth:`Result`; what comes after is new audio, from time 0."""
        if self._stream is not None:
            self._take(self._stream.flush())
        self._stream = None
        self._partial = None
        return self.Result()

    def Reset(self) -> None:
        """Forget the audio so far."""
        self._stream = None
        self._finals, self._partial = [], None


def _vosk_words(event: PartialEvent | FinalEvent) -> list[dict[str, Any]]:
    return [{"conf": w.confidence, "start": w.start, "end": w.end, "word": w.text} for w in event.words]
