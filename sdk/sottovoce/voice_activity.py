"""Who speaks when, without a recognizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sottovoce import _native
from sottovoce.audio import as_samples

if TYPE_CHECKING:
    import numpy.typing as npt

_DEFAULT_RATE = 16000  # Hz


class SpeechSegment(NamedTuple):
    """A stretch of speech, in seconds from the start of the stream."""

    start: float
    end: float


class VoiceActivityDetector:
    """Segments of speech as they end: energy of each frequency band above a noise floor that follows the room.

    The recognizer's endpoints listen to the same detector. Segments do not depend on how the audio is cut; use one thread
    at a time.
    """

    def __init__(self, *, min_silence: float = 0.3, min_speech: float = 0.1) -> None:
        """Start a stream.

        Args:
            min_silence: seconds; shorter pauses are inside a segment.
            min_speech: seconds; shorter segments are none.

        Raises:
            InvalidInputError: seconds that are negative, above 60 or NaN.
        """
        self._native = _native.SpeechSegmenter(min_silence, min_speech)

    def push(self, samples: npt.ArrayLike, sample_rate: int | None = None) -> list[SpeechSegment]:
        """Take the next (n,) mono samples, float32 in +-1 or int16, and return the segments that ended with them.

        Args:
            samples: finite samples; any n.
            sample_rate: Hz, 8000 to 192000, the same in all calls of a stream; None is 16000.

        Raises:
            InvalidInputError: NaN, more than one dimension, another rate than before, or samples after :meth:`flush`.
        """
        rate = _DEFAULT_RATE if sample_rate is None else sample_rate
        return [SpeechSegment(*segment) for segment in self._native.push(as_samples(samples), rate)]

    def flush(self) -> list[SpeechSegment]:
        """End the stream and return the segment that was open, if any; calling it again returns none."""
        return [SpeechSegment(*segment) for segment in self._native.finish()]

    @property
    def speaking(self) -> bool:
        """Whether a segment is open."""
        return self._native.speaking
