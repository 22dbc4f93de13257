"""Audio in: WAV files, sample rates, log-mel features."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from sottovoce import _native
from sottovoce.errors import InvalidInputError

if TYPE_CHECKING:
    # Slow to import, and only annotations need it.
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]

__all__ = ["PRESETS", "Fbank", "as_samples", "read_wav", "resample"]

PRESETS = ("kaldi80", "slaney128")


def as_samples(samples: npt.ArrayLike) -> FloatArray:
    """Return `samples` as (n,) float32 in +-1; int16 is scaled by 1 / 32768.

    Raises InvalidInputError when the array is not 1-D or neither int16 nor floating point.
    """
    array = np.asarray(samples)
    if array.ndim != 1:
        raise InvalidInputError(
            f"samples: wanted a 1-D mono array, found shape {array.shape}; average the channels or pick one"
        )
    if array.dtype == np.int16:
        scaled: FloatArray = array.astype(np.float32) / np.float32(32768.0)
        return scaled
    if array.size == 0:
        return np.zeros(0, dtype=np.float32)
    if not np.issubdtype(array.dtype, np.floating):
        raise InvalidInputError(f"samples: wanted float32 in +-1 or int16, found {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float32)


def read_wav(path: str | os.PathLike[str]) -> tuple[FloatArray, int]:
    """Read a WAV file: mono float32 samples (n,) in +-1 (the mean of the channels) and the sample rate in Hz.

    PCM of 8, 16, 24, 32 bits and float of 32, 64 bits, plain or extensible. Raises ModelNotFoundError (no such file; it is
    a FileNotFoundError), DataError (truncated or corrupt) and UnsupportedError (compressed).
    """
    samples, sample_rate = _native.read_wav(os.fsencode(path))
    return samples, sample_rate


def resample(samples: npt.ArrayLike, from_rate: int, to_rate: int) -> FloatArray:
    """Convert (n,) samples from one rate in Hz to another: ceil(n * to_rate / from_rate) samples.

    Raises InvalidInputError for NaN or infinite samples and for rates out of 1000 to 768000.
    """
    return _native.resample(as_samples(samples), from_rate, to_rate)


class Fbank:
    """Log-mel features, whole or streaming; settings as in the `feature.*` metadata of an artifact.

    `Fbank("kaldi80")` or `Fbank("slaney128")`, with single settings overridden by keyword. Samples are 16 kHz, in +-1.
    """

    def __init__(self, preset: str = "kaldi80", **settings: Any) -> None:
        """Raise InvalidInputError for an unknown preset or a setting out of range."""
        options = _native.fbank_preset(preset)
        unknown = sorted(set(settings) - set(options))
        if unknown:
            raise InvalidInputError(
                f"Fbank: unknown setting {unknown[0]!r}; wanted one of {', '.join(sorted(options))}"
            )
        options.update(settings)
        self.settings: dict[str, Any] = options
        self._native = _native.Fbank(**options)

    @property
    def num_mels(self) -> int:
        """Features in a frame."""
        return self._native.num_mels

    def compute(self, samples: npt.ArrayLike) -> FloatArray:
        """Return the (frames, mels) features of a whole utterance; InvalidInputError when a sample is NaN or infinite."""
        return self._native.compute(as_samples(samples))

    def accept(self, samples: npt.ArrayLike) -> FloatArray:
        """Stream: take samples, return the (frames, mels) they complete; bit-equal to `compute` in any chunking."""
        return self._native.accept(as_samples(samples))

    def finish(self) -> FloatArray:
        """Stream: return the last (frames, mels), which reach past the end."""
        return self._native.finish()

    def reset(self) -> None:
        """Stream: begin a new utterance."""
        self._native.reset()
