"""Live audio: a virtual microphone end to end, and devices that fail, by a stand-in for sounddevice."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from virtual_microphone import DEVICE, RATE, play

import sottovoce as sv
from sottovoce import microphone_input
from sottovoce.audio import read_wav

REPOSITORY = Path(__file__).parents[2]
AUDIO = REPOSITORY / "demos" / "audio"

# ---- a device that is not there ----


class PortAudioError(Exception):
    pass


class FakeStream:
    """Calls back with blocks from a thread; `blocks` None never does."""

    def __init__(self, blocks: list[bytes] | None, callback: Callable[..., None], overflow: bool) -> None:
        self.active, self.closed = True, False
        self._blocks, self._callback, self._overflow = blocks, callback, overflow

    def start(self) -> None:
        def run() -> None:
            for block in self._blocks or []:
                self._callback(block, len(block) // 2, None, types.SimpleNamespace(input_overflow=self._overflow))
            self.active = self._blocks is None

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    def close(self, ignore_errors: bool = True) -> None:
        self.closed = True


def fake_sounddevice(
    devices: list[tuple[str, int, float]],
    *,
    blocks: list[bytes] | None = None,
    fail: Callable[[dict[str, Any]], int] = lambda options: 0,
    overflow: bool = False,
) -> types.SimpleNamespace:
    """A sounddevice with devices (name, channels, rate); `fail` gives a PaErrorCode for the options of a stream."""
    opened: list[FakeStream] = []

    def open_stream(**options: Any) -> FakeStream:
        if code := fail(options):
            raise PortAudioError("Error opening RawInputStream", code)
        opened.append(FakeStream(blocks, options["callback"], overflow))
        return opened[-1]

    return types.SimpleNamespace(
        PortAudioError=PortAudioError,
        RawInputStream=open_stream,
        default=types.SimpleNamespace(device=(len(devices) - 1, 0)),
        query_devices=lambda: [
            {"name": name, "max_input_channels": channels, "default_samplerate": rate}
            for name, channels, rate in devices
        ],
        opened=opened,
    )


TWO = [("Speaker", 0, 48000.0), ("USB one", 1, 48000.0), ("USB two", 2, 44100.0)]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    return lambda module: monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_devices_are_listed_and_chosen(install: Callable[[Any], None]) -> None:
    install(fake_sounddevice(TWO))
    first, second = sv.input_devices()
    assert first == (1, "USB one", 1, 48000, False) and second.default
    assert sv.microphone().device == second
    assert sv.microphone(1).device == sv.microphone("usb ONE").device == first
    with pytest.raises(sv.InvalidInputError, match="'usb': wanted one, found 'USB one', 'USB two'"):
        sv.microphone("usb")
    for absent in (0, 7, "phone"):
        with pytest.raises(sv.InvalidInputError, match="no such device; those that record: 1 'USB one', 2 'USB two'"):
            sv.microphone(absent)


def test_what_is_missing_is_said(install: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    install(None)
    with pytest.raises(sv.MissingPackageError, match=r"the package sounddevice.*pip install 'sottovoce\[mic\]'"):
        sv.microphone()

    def no_library(name: str) -> Any:
        raise OSError("PortAudio library not found")

    with monkeypatch.context() as patch:
        patch.setattr("importlib.import_module", no_library)
        with pytest.raises(sv.MissingPackageError, match="libportaudio2"):
            microphone_input.input_devices()
    install(fake_sounddevice([("Speaker", 0, 48000.0)]))
    with pytest.raises(sv.InputOutputError, match="no device that records"):
        sv.microphone()


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (-9985, sv.InputOutputError, "'USB two': is busy"),
        (-9997, sv.InvalidInputError, "'USB two': does not record at 16000 Hz; its own rate is 44100"),
        (-9999, sv.InputOutputError, "'USB two': cannot be opened: .*RawInputStream"),
    ],
)
def test_a_device_that_does_not_open(
    install: Callable[[Any], None], code: int, error: type[Exception], message: str
) -> None:
    install(fake_sounddevice(TWO, fail=lambda options: code))
    with pytest.raises(error, match=message):
        sv.microphone()


def test_options_out_of_range() -> None:
    with pytest.raises(sv.InvalidInputError, match="sample_rate: wanted 8000 to 192000"):
        sv.microphone(sample_rate=100)
    with pytest.raises(sv.InvalidInputError, match=r"chunk_seconds: wanted 0\.005 to 10"):
        sv.microphone(chunk_seconds=0)


def test_any_rate_takes_the_devices_own(install: Callable[[Any], None]) -> None:
    install(fake_sounddevice(TWO, fail=lambda options: -9997 if options["samplerate"] == 16000 else 0))
    assert sv.microphone(sample_rate=None).sample_rate == 44100
    install(fake_sounddevice(TWO))
    assert sv.microphone(sample_rate=None).sample_rate == 16000


def test_stereo_becomes_mono(install: Callable[[Any], None]) -> None:
    block = np.array([100, 300, -200, 0], np.int16).tobytes()
    module = fake_sounddevice(TWO, blocks=[block], fail=lambda options: -9998 if options["channels"] == 1 else 0)
    install(module)
    np.testing.assert_array_equal(next(sv.microphone()), np.array([200, -100], np.float32) / 32768)


def test_closing_ends_the_iteration_and_frees_the_device(install: Callable[[Any], None]) -> None:
    module = fake_sounddevice(TWO, blocks=[np.array([n], np.int16).tobytes() for n in range(3)])
    install(module)
    with sv.microphone() as microphone:
        first = next(microphone)
    assert first.dtype == np.float32 and first.shape == (1,)
    assert [round(float(chunk[0]) * 32768) for chunk in microphone] == [1, 2]  # what was recorded is still read
    assert module.opened[0].closed and list(microphone) == []
    microphone.close()


def test_a_device_that_stops_and_audio_that_is_lost(
    install: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(fake_sounddevice(TWO, blocks=[b"\0\0"], overflow=True))
    microphone = sv.microphone()
    assert len(next(microphone)) == 1 and microphone.overflows == 1
    with pytest.raises(sv.InputOutputError, match="sends no more audio"):
        next(microphone)
    monkeypatch.setattr(microphone_input, "_SILENT_SECONDS", 0.25)
    install(fake_sounddevice(TWO, blocks=None))
    with pytest.raises(sv.InputOutputError, match="sends no more audio"):
        next(sv.microphone())
    install(fake_sounddevice(TWO, blocks=[b"\0\0"] * 20))
    late = sv.microphone(chunk_seconds=10)  # keeps six
    next(late)
    assert late.overflows == 14


# ---- PulseAudio ----


def test_a_virtual_microphone_is_bit_exact_and_understood(pulse: None) -> None:
    recording = AUDIO / "rate_book.wav"
    spoken, _ = read_wav(recording)
    assistant = sv.Assistant(sv.Recognizer.from_pretrained("en-micro"), sv.IntentParser.from_pretrained("snips-en"))
    chunks: list[np.ndarray] = []

    def until_it_was_heard(microphone: sv.Microphone) -> Iterator[np.ndarray]:
        for chunk in microphone:
            if not chunks:
                player.append(play(recording))
            chunks.append(chunk)
            yield chunk

    player: list[subprocess.Popen[bytes]] = []
    events: list[sv.Event] = []
    with sv.microphone(DEVICE) as microphone:
        assert microphone.sample_rate == RATE and microphone.device.name == DEVICE
        for event in assistant.listen(until_it_was_heard(microphone), endpoint_silence=0.6):
            events.append(event)
            if event.kind == "endpoint":
                break
    assert player[0].wait(10) == 0
    heard = np.concatenate(chunks)
    shift = int(np.flatnonzero(heard)[0] - np.flatnonzero(spoken)[0])
    np.testing.assert_array_equal(heard[shift : shift + len(spoken)], spoken)
    assert microphone.overflows == 0 and {len(chunk) for chunk in chunks} == {1280}
    assert [event.kind for event in events if event.kind != "partial"] == ["final", "intent", "endpoint"]
    (intent,) = [event for event in events if isinstance(event, sv.IntentEvent)]
    assert (intent.text, intent.intent.name) == ("rate this book five out of six stars", "RateBook")
    assert any(isinstance(event, sv.PartialEvent) for event in events)


def test_the_demo_hears_a_recording() -> None:
    demo = REPOSITORY / "demos" / "python_microphone"
    command = [sys.executable, str(demo / "listen.py"), str(AUDIO / "rate_book.wav")]
    done = subprocess.run(command, capture_output=True, timeout=120, text=True)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.rsplit("\033[K", 1)[1]
    assert shown in "".join(
        line[4:] for line in (demo / "README.md").read_text().splitlines(True) if line[:4] == " " * 4
    )
