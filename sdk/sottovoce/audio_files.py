"""Audio from files: WAV natively, FLAC, OGG, Opus and the rest of libsndfile through the package `soundfile`; in chunks."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from sottovoce.audio import as_samples, read_wav, resample
from sottovoce.errors import DataError, InputOutputError, InvalidInputError, ModelNotFoundError, UnsupportedError
from sottovoce.optional_packages import import_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from sottovoce.audio import FloatArray

_WAV = (b"RIFF", b"RIFX", b"RF64")


def read_audio(path: str | os.PathLike[str]) -> tuple[FloatArray, int]:
    """Read a file: mono float32 samples (n,) in +-1 (the mean of the channels) and the sample rate in Hz.

    Raises:
        ModelNotFoundError: no such file. InvalidInputError: a directory.
        DataError: truncated, corrupt, or no audio.
        UnsupportedError: a WAV of a compressed kind that soundfile does not know either.
        MissingPackageError: no WAV, and soundfile is not installed.
    """
    if os.path.isdir(path):
        raise InvalidInputError(f"{os.fspath(path)}: wanted an audio file, found a directory")
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except FileNotFoundError:
        raise ModelNotFoundError(f"{os.fspath(path)}: no such file") from None
    except OSError as error:
        raise InputOutputError(f"{os.fspath(path)}: {error.strerror}") from None
    if head[:4] in _WAV or len(head) < 4:
        try:
            return read_wav(path)
        except UnsupportedError:  # compressed
            pass
    return _read_with_soundfile(path)


def _read_with_soundfile(path: str | os.PathLike[str]) -> tuple[FloatArray, int]:
    soundfile = import_package("soundfile", f"{os.fspath(path)}: audio other than plain WAV")
    try:
        with open(path, "rb") as file:
            samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{os.fspath(path)}: wanted audio (WAV, FLAC, OGG, Opus, ...): {error}") from None
    return np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)), int(rate)


class AudioChunks:
    """Chunks of (n,) float32 samples in +-1, as a microphone would give them; may be iterated again."""

    def __init__(self, samples: FloatArray, sample_rate: int, chunk_seconds: float, realtime: bool) -> None:
        """Cut samples; use :func:`sottovoce.audio_chunks`."""
        self.sample_rate = sample_rate
        self._samples = samples
        self._size = max(1, round(sample_rate * chunk_seconds))
        self._realtime = realtime

    def __iter__(self) -> Iterator[FloatArray]:
        """Yield the chunks; in real time, each when its last sample would have been spoken."""
        start = time.monotonic()
        for at in range(0, len(self._samples), self._size):
            chunk = self._samples[at : at + self._size]
            if self._realtime:
                time.sleep(max(0.0, start + (at + len(chunk)) / self.sample_rate - time.monotonic()))
            yield chunk


def audio_chunks(
    path_or_samples: str | os.PathLike[str] | npt.ArrayLike,
    sample_rate: int = 16000,
    chunk_seconds: float = 0.08,
    *,
    source_rate: int | None = None,
    realtime: bool = False,
) -> AudioChunks:
    """Return a recording in the place of :func:`sottovoce.microphone`: chunks at ``sample_rate``, whatever the file has.

    Args:
        path_or_samples: a file, or (n,) mono samples, float32 in +-1 or int16.
        sample_rate: Hz of the chunks.
        chunk_seconds: of audio in a chunk.
        source_rate: Hz of samples; None is ``sample_rate``. A file says its own.
        realtime: as fast as it was spoken, and not as fast as it is read.

    Raises:
        InvalidInputError: samples of another shape, with NaN, a rate or a length out of range.
        SottovoceError: as :func:`sottovoce.read_audio`.
    """
    if not 0.005 <= chunk_seconds <= 10:
        raise InvalidInputError(f"audio_chunks: chunk_seconds: wanted 0.005 to 10, found {chunk_seconds}")
    if isinstance(path_or_samples, str | os.PathLike):
        if source_rate is not None:
            raise InvalidInputError("audio_chunks: source_rate: wanted none with a file, which says its own")
        samples, rate = read_audio(path_or_samples)
    else:
        samples, rate = as_samples(path_or_samples), sample_rate if source_rate is None else source_rate
    if rate != sample_rate:
        samples = resample(samples, rate, sample_rate)
    return AudioChunks(samples, sample_rate, chunk_seconds, realtime)
