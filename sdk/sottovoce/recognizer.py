"""Speech to text, streaming or whole."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sottovoce import _native
from sottovoce.audio import as_samples
from sottovoce.errors import InvalidInputError
from sottovoce.events import EndpointEvent, FinalEvent, PartialEvent, Word, stream_event
from sottovoce.models import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from sottovoce.audio import FloatArray


class RecognitionResult(NamedTuple):
    """What was said: ``text`` is the words with single spaces between them."""

    text: str
    words: tuple[Word, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain lists and dictionaries, ready for ``json.dumps``."""
        return {"text": self.text, "words": [word._asdict() for word in self.words]}


def _result(native: tuple[str, list[tuple[str, float, float, float]]]) -> RecognitionResult:
    text, words = native
    return RecognitionResult(text, tuple([Word(*word) for word in words]))


def load_audio(
    path_or_samples: str | os.PathLike[str] | npt.ArrayLike, sample_rate: int | None, default_rate: int
) -> tuple[FloatArray, int]:
    """Return (n,) float32 samples and their rate in Hz from an audio file's path or from samples.

    A file has its own rate, so ``sample_rate`` must be None or equal to it; samples have ``default_rate`` when it is None.
    Raises InvalidInputError, and what :func:`sottovoce.read_audio` raises.
    """
    if isinstance(path_or_samples, str | os.PathLike):
        from sottovoce.audio_files import read_audio  # who parses text needs no files

        samples, rate = read_audio(path_or_samples)
        if sample_rate is not None and sample_rate != rate:
            raise InvalidInputError(f"sample_rate: {os.fspath(path_or_samples)} has {rate} Hz, found {sample_rate}")
        return samples, rate
    return as_samples(path_or_samples), default_rate if sample_rate is None else sample_rate


DEFAULT_BOOST = 1.5  # natural logarithm, a symbol
LISTEN_SILENCE = 0.8  # seconds that end an utterance of a live source


def biasing_phrases(
    phrases: Iterable[str | tuple[str, float]], boost: float = DEFAULT_BOOST
) -> list[tuple[str, float]]:
    """Return (phrase, boost) pairs; InvalidInputError for anything that is neither text nor such a pair."""
    pairs: list[tuple[str, float]] = []
    for item in [phrases] if isinstance(phrases, str) else phrases:
        if isinstance(item, str):
            pairs.append((item, float(boost)))
        elif isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
            pairs.append((item[0], float(item[1])))
        else:
            raise InvalidInputError(f"biasing: wanted a phrase or (phrase, boost), found {item!r}")
    return pairs


class RecognizerStream:
    """Utterances as they come. Finals and endpoints do not depend on how the audio is cut; use one thread at a time."""

    def __init__(self, native: _native.RecognizerStream, default_rate: int) -> None:
        """Wrap a native stream; use :meth:`Recognizer.stream`."""
        self._native = native
        self._default_rate = default_rate

    def accept_waveform(self, samples: npt.ArrayLike, sample_rate: int | npt.ArrayLike | None = None) -> None:
        """Take the next (n,) mono samples, float32 in +-1 or int16; any n.

        The two may be exchanged, as in sherpa-onnx: a number is the rate.

        Args:
            samples: finite samples.
            sample_rate: Hz, 8000 to 192000, the same in all calls of a stream; None is the model's own (16000).

        Raises:
            InvalidInputError: NaN, more than one dimension, another rate than before, or the stream is finished.
        """
        if np.isscalar(samples) and sample_rate is not None:
            samples, sample_rate = sample_rate, samples
        rate: Any = self._default_rate if sample_rate is None else sample_rate
        if isinstance(rate, float) and rate.is_integer():
            rate = int(rate)
        try:
            hertz = operator.index(rate)
        except TypeError:
            raise InvalidInputError(f"sample_rate: wanted a whole number of Hz, found {str(rate)[:40]}") from None
        self._native.accept_waveform(as_samples(samples), hertz)

    def push(
        self, samples: npt.ArrayLike, sample_rate: int | None = None
    ) -> list[PartialEvent | FinalEvent | EndpointEvent]:
        """Take the next samples, as :meth:`accept_waveform` does, and return what they brought, oldest event first."""
        self.accept_waveform(samples, sample_rate)
        return self.events()

    def events(self) -> list[PartialEvent | FinalEvent | EndpointEvent]:
        """Return the events since the last call, oldest first; a partial only when the text changed."""
        return [stream_event(event) for event in self._native.poll()]

    def flush(self) -> list[PartialEvent | FinalEvent | EndpointEvent]:
        """End the stream and return the last events: the final of an utterance that was open."""
        self._native.finish()
        return self.events()

    def set_biasing(self, phrases: Iterable[str | tuple[str, float]], boost: float = DEFAULT_BOOST) -> None:
        """Boost other phrases from the next utterance on; from now, when no symbol of this one has come yet.

        Raises:
            InvalidInputError: a phrase without text or with a character that the vocabulary cannot write, a boost outside
                [-100, 100].
        """
        self._native.set_biasing(biasing_phrases(phrases, boost))

    @property
    def state_bytes(self) -> int:
        """Bytes of memory of this stream, beside its results and what the streams of a recognizer share."""
        return self._native.state_bytes

    @property
    def partial(self) -> str:
        """The text so far."""
        return self._native.partial

    @property
    def tokens(self) -> list[tuple[int, int, float]]:
        """The symbols so far: (id, encoder frame, natural logarithm of its probability)."""
        return self._native.tokens

    def finish(self) -> RecognitionResult:
        """End the utterance and return the result for all of it; calling it again returns the same."""
        return _result(self._native.finish())


class Recognizer:
    """A streaming speech model. Immutable: one recognizer serves any number of threads, and computes without the GIL."""

    def __init__(self, native: _native.Recognizer) -> None:
        """Wrap a native recognizer; use :meth:`from_pretrained` or :meth:`from_bytes`."""
        self._native = native

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str]) -> Recognizer:
        """Open a bundled model by name (``sottovoce models`` lists them) or an artifact by path.

        Raises:
            ModelNotFoundError: no such file or name.
            DataError: the artifact is corrupt or truncated.
            UnsupportedError: the file is of another kind or of a newer format version.
        """
        return cls(_native.Recognizer.open(os.fsencode(resolve(name_or_path))))

    @classmethod
    def from_bytes(cls, data: bytes) -> Recognizer:
        """Open an artifact that is in memory; the bytes are kept, not copied. Raises as :meth:`from_pretrained`."""
        return cls(_native.Recognizer.open_memory(data))

    @property
    def sample_rate(self) -> int:
        """The model's own sample rate in Hz; other rates are converted."""
        return self._native.sample_rate

    @property
    def frame_seconds(self) -> float:
        """Seconds of audio in an encoder frame: the resolution of word times."""
        return self._native.frame_seconds

    @property
    def default_beam(self) -> int:
        """Hypotheses that the search of a stream keeps unless it says otherwise: 1, or what the artifact says."""
        return self._native.default_beam

    @property
    def look_ahead_seconds(self) -> float:
        """Seconds of audio after an encoder frame that it depends on."""
        return self._native.look_ahead_seconds

    def stream(
        self,
        *,
        beam: int | None = None,
        alternatives: int = 1,
        biasing: Iterable[str | tuple[str, float]] = (),
        biasing_boost: float = DEFAULT_BOOST,
        endpoint_silence: float | None = None,
        endpoint_min_speech: float = 0.05,
        endpoint_max: float | None = None,
        lm_scale: float | None = None,
        lm_bonus: float | None = None,
    ) -> RecognizerStream:
        """Start a stream of utterances.

        Args:
            beam: hypotheses that the search keeps, 1 to 64; 1 is greedy search, None :attr:`default_beam`.
            alternatives: hypotheses that a final event lists, at most ``beam``.
            biasing: phrases that are likelier here than the model thinks, or (phrase, boost) pairs; numbers as words. Case
                does not matter to a vocabulary of one case, as the bundled models have.
            biasing_boost: natural logarithm added for every symbol of a phrase, in [-100, 100].
            endpoint_silence: seconds without a symbol that end an utterance; None ends none.
            endpoint_min_speech: seconds from the first symbol to the last, below which silence ends nothing.
            endpoint_max: seconds from the first symbol after which an utterance ends anyhow; None: any length.
            lm_scale: how much the language model in the artifact counts, where there is one and ``beam`` is above 1; 0: not at
                all, None: as the artifact says.
            lm_bonus: natural logarithm added for every symbol where the language model counts; None: as the artifact says.

        Raises:
            InvalidInputError: an option out of range, a phrase without text or with a character that the vocabulary cannot
                write.
        """
        native = self._native.stream(
            beam=beam,
            alternatives=alternatives,
            biasing=biasing_phrases(biasing, biasing_boost),
            endpoint_silence=endpoint_silence or 0.0,
            endpoint_min_speech=endpoint_min_speech,
            endpoint_max=endpoint_max or 0.0,
            lm_scale=lm_scale,
            lm_bonus=lm_bonus,
        )
        return RecognizerStream(native, self.sample_rate)

    def listen(
        self, chunks: Iterable[npt.ArrayLike], sample_rate: int | None = None, **options: Any
    ) -> Iterator[PartialEvent | FinalEvent | EndpointEvent]:
        """Yield the events of a live source until it ends: :func:`sottovoce.microphone`, or any chunks of samples.

        Args:
            chunks: (n,) mono samples each, float32 in +-1 or int16; any n.
            sample_rate: Hz; None is ``chunks.sample_rate`` where the source tells, and else the model's own.
            options: as for :meth:`stream`; here ``endpoint_silence`` is 0.8 seconds unless given.

        Raises:
            InvalidInputError: as :meth:`stream` and :meth:`RecognizerStream.push`.
        """
        rate = getattr(chunks, "sample_rate", None) if sample_rate is None else sample_rate
        stream = self.stream(**{"endpoint_silence": LISTEN_SILENCE} | options)
        for chunk in chunks:
            yield from stream.push(chunk, rate)
        yield from stream.flush()

    def push_batch(
        self,
        streams: Sequence[RecognizerStream],
        chunks: Sequence[npt.ArrayLike],
        sample_rate: int | None = None,
        *,
        finish: bool = False,
    ) -> list[list[PartialEvent | FinalEvent | EndpointEvent]]:
        """Give each of several streams its next samples and return the events of each.

        Quicker than one after the other, since every weight is read once for all; each stream gets, bit for bit, what it
        gets from its own :meth:`RecognizerStream.push`.

        Args:
            streams: of this recognizer, each once; their options may differ.
            chunks: for each stream its (n,) samples, of any and of different n.
            sample_rate: Hz of all chunks; None is the model's own (16000).
            finish: end the streams with these samples, as :meth:`RecognizerStream.flush` does.

        Raises:
            InvalidInputError: as :meth:`RecognizerStream.accept_waveform`, a stream twice or of another recognizer, or not
                as many chunks as streams; no stream has taken anything then.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        self._native.push_batch([s._native for s in streams], [as_samples(chunk) for chunk in chunks], rate, finish)
        return [stream.events() for stream in streams]

    def transcribe(
        self,
        path_or_samples: str | os.PathLike[str] | npt.ArrayLike,
        sample_rate: int | None = None,
        *,
        beam: int | None = None,
        biasing: Iterable[str | tuple[str, float]] = (),
        biasing_boost: float = DEFAULT_BOOST,
        lm_scale: float | None = None,
        lm_bonus: float | None = None,
    ) -> RecognitionResult:
        """Return what is said in an audio file or in (n,) mono samples, float32 in +-1 or int16.

        Args:
            path_or_samples: no samples at all give an empty text.
            sample_rate: Hz of the samples, 8000 to 192000; None is the model's own (16000), and for a file its header's.
            beam: as for :meth:`stream`, and so ``biasing``, ``biasing_boost``, ``lm_scale`` and ``lm_bonus``.

        Raises:
            InvalidInputError: NaN, more than one dimension, a rate or an option out of range, a phrase as for :meth:`stream`.
            ModelNotFoundError, DataError, UnsupportedError, MissingPackageError: as :func:`sottovoce.read_audio`.
        """
        samples, rate = load_audio(path_or_samples, sample_rate, self.sample_rate)
        stream = self.stream(
            beam=beam, biasing=biasing, biasing_boost=biasing_boost, lm_scale=lm_scale, lm_bonus=lm_bonus
        )
        stream.accept_waveform(samples, rate)
        return stream.finish()
