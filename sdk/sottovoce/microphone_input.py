"""Live audio from a microphone, through PortAudio (the package `sounddevice`)."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sottovoce.audio import as_samples
from sottovoce.errors import InputOutputError, InvalidInputError
from sottovoce.optional_packages import import_package

if TYPE_CHECKING:
    from types import TracebackType

    from sottovoce.audio import FloatArray

_KEPT_SECONDS = 60.0  # of audio that waits for a slow reader; older audio is dropped
_SILENT_SECONDS = 10.0  # without a block, a device counts as gone
_INVALID_CHANNEL_COUNT, _INVALID_SAMPLE_RATE, _DEVICE_UNAVAILABLE = -9998, -9997, -9985  # PaErrorCode


class InputDevice(NamedTuple):
    """A device that records; ``number`` or ``name`` choose it."""

    number: int
    name: str
    channels: int
    sample_rate: int  # Hz, the device's own
    default: bool


def input_devices() -> list[InputDevice]:
    """Return the devices that record. Raises MissingPackageError."""
    sound = import_package("sounddevice", "the microphone")
    default = sound.default.device[0]
    return [
        InputDevice(
            number,
            str(device["name"]),
            int(device["max_input_channels"]),
            round(device["default_samplerate"]),
            number == default,
        )
        for number, device in enumerate(sound.query_devices())
        if device["max_input_channels"] > 0
    ]


def _choose(device: int | str | None) -> InputDevice:
    known = input_devices()
    if not known:
        raise InputOutputError("microphone: this machine has no device that records")
    listed = ", ".join(f"{each.number} {each.name!r}" for each in known)
    if device is None:
        return next((each for each in known if each.default), known[0])
    if isinstance(device, str):
        exact = [each for each in known if each.name == device]
        found = exact or [each for each in known if device.lower() in each.name.lower()]
        if len(found) > 1 and not exact:
            names = ", ".join(repr(each.name) for each in found)
            raise InvalidInputError(f"microphone: device {device!r}: wanted one, found {names}")
    else:
        found = [each for each in known if each.number == device]
    if not found:
        raise InvalidInputError(f"microphone: device {device!r}: no such device; those that record: {listed}")
    return found[0]


class Microphone:
    """Chunks of (n,) float32 samples in +-1, as they are spoken, until :meth:`close`; recording begins with the first one.

    Use it in one ``for``; in a ``with`` statement the device is free at its end. ``overflows`` counts the times that audio
    was lost, by the system or because a minute of it waited.
    """

    def __init__(self, device: int | str | None, sample_rate: int | None, chunk_seconds: float) -> None:
        """Open a device; use :func:`sottovoce.microphone`."""
        if sample_rate is not None and not 8000 <= sample_rate <= 192000:
            raise InvalidInputError(f"microphone: sample_rate: wanted 8000 to 192000 Hz, found {sample_rate}")
        if not 0.005 <= chunk_seconds <= 10:
            raise InvalidInputError(f"microphone: chunk_seconds: wanted 0.005 to 10, found {chunk_seconds}")
        self._sound = import_package("sounddevice", "the microphone")
        self.device = _choose(device)
        self.overflows = 0
        self._closed = False
        self._started = False
        self._arrival = threading.Condition()
        rates = [16000, self.device.sample_rate] if sample_rate is None else [sample_rate]
        for attempt, rate in enumerate(rates, 1):
            try:
                self._stream = self._open(rate, chunk_seconds)
                self.sample_rate = rate
                break
            except self._sound.PortAudioError as error:
                if attempt == len(rates) or _code(error) != _INVALID_SAMPLE_RATE:
                    raise self._error(error, rate) from None
        self._chunks: collections.deque[bytes] = collections.deque(maxlen=max(2, round(_KEPT_SECONDS / chunk_seconds)))

    def _open(self, rate: int, chunk_seconds: float) -> Any:
        size = max(1, round(rate * chunk_seconds))
        for channels in (1, min(2, self.device.channels)):  # some devices record stereo only
            try:
                stream = self._sound.RawInputStream(
                    samplerate=rate,
                    blocksize=size,
                    device=self.device.number,
                    channels=channels,
                    dtype="int16",
                    callback=self._take,
                )
                self._channels = channels
                return stream
            except self._sound.PortAudioError as error:
                if channels == 2 or self.device.channels < 2 or _code(error) != _INVALID_CHANNEL_COUNT:
                    raise
        raise AssertionError("unreachable")

    def _error(self, error: Exception, rate: int) -> Exception:
        name, code = self.device.name, _code(error)
        if code == _INVALID_SAMPLE_RATE:
            return InvalidInputError(
                f"microphone {name!r}: does not record at {rate} Hz; its own rate is {self.device.sample_rate}"
            )
        if code == _DEVICE_UNAVAILABLE:
            return InputOutputError(f"microphone {name!r}: is busy: another program has it, or it is unplugged")
        return InputOutputError(f"microphone {name!r}: cannot be opened: {error}")

    def _take(self, data: Any, frames: int, time: Any, status: Any) -> None:
        with self._arrival:
            if status.input_overflow or len(self._chunks) == self._chunks.maxlen:
                self.overflows += 1
            self._chunks.append(bytes(data))
            self._arrival.notify()

    def __iter__(self) -> Microphone:
        """Return itself."""
        return self

    def __next__(self) -> FloatArray:
        """Wait for the next chunk. Raises InputOutputError when the device fails or falls silent for good."""
        if not self._started and not self._closed:
            try:
                self._stream.start()
            except self._sound.PortAudioError as error:
                self.close()
                raise self._error(error, self.sample_rate) from None
            self._started = True
        with self._arrival:
            waited = 0.0
            while not self._chunks:
                if self._closed:
                    raise StopIteration
                # Short waits: on Windows nothing else lets Ctrl-C through.
                if not self._arrival.wait(0.25):
                    waited += 0.25
                    if waited >= _SILENT_SECONDS or not (self._closed or self._stream.active):
                        raise InputOutputError(
                            f"microphone {self.device.name!r}: sends no more audio; is it unplugged?"
                        )
            data = self._chunks.popleft()
        return as_samples(np.frombuffer(data, np.int16)) if self._channels == 1 else _mean_of_channels(data)

    def close(self) -> None:
        """Free the device; what was recorded can still be read, then iteration ends. From any thread, any number of times."""
        with self._arrival:
            if self._closed:
                return
            self._closed = True
            self._arrival.notify_all()
        self._stream.close(ignore_errors=True)

    def __enter__(self) -> Microphone:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the device."""
        self.close()

    def __del__(self) -> None:
        """Free the device."""
        if hasattr(self, "_stream"):
            self.close()


def _code(error: Exception) -> int:
    return error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0


def _mean_of_channels(data: bytes) -> FloatArray:
    stereo = np.frombuffer(data, np.int16).reshape(-1, 2)
    mean: FloatArray = stereo.mean(axis=1, dtype=np.float32) / np.float32(32768)
    return mean


def microphone(
    device: int | str | None = None, sample_rate: int | None = 16000, chunk_seconds: float = 0.08
) -> Microphone:
    """Open a microphone: an iterator of (n,) float32 chunks in +-1, mono.

    Args:
        device: number or part of the name, as :func:`sottovoce.input_devices` lists them; None is the system's default.
        sample_rate: Hz; None is 16000 or, where the device does not offer it, the device's own: see ``.sample_rate``.
        chunk_seconds: of audio in a chunk.

    Raises:
        MissingPackageError: the package sounddevice, or PortAudio, is not installed.
        InvalidInputError: no such device, or it does not record at that rate; the message says what there is.
        InputOutputError: no device records, or it is busy.
    """
    return Microphone(device, sample_rate, chunk_seconds)
