"""What a stream makes of audio as it comes: silence, noise, clipping, offsets, gaps, other rates, cut ends, long hours."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import sottovoce as sv
from sottovoce.audio import read_wav, resample

if TYPE_CHECKING:
    from sottovoce.audio import FloatArray

ROOT = Path(__file__).parents[1]
RECORDINGS = sorted((ROOT.parent / "demos" / "audio").glob("*.wav"))
RATE = 16000


@pytest.fixture(scope="module")
def recognizer() -> sv.Recognizer:
    return sv.Recognizer.from_pretrained("en-micro")


@pytest.fixture(scope="module")
def request_audio() -> FloatArray:
    return read_wav(RECORDINGS[3])[0]


def upto_last_word(samples: FloatArray) -> FloatArray:
    """Nothing after the last 10 ms within 40 dB of the loudest."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    level = np.square(frames).mean(1)
    return samples[: (int(np.flatnonzero(level > level.max() * 1e-4)[-1]) + 1) * 160]


def test_the_last_word_is_kept_when_the_clip_ends_with_it(recognizer: sv.Recognizer) -> None:
    for path in RECORDINGS:
        samples = upto_last_word(read_wav(path)[0])
        stream = recognizer.stream()
        for start in range(0, len(samples), 1280):
            stream.accept_waveform(samples[start : start + 1280])
        assert stream.partial, path
        cut = stream.finish().words
        whole = recognizer.transcribe(np.concatenate([samples, np.zeros(RATE, np.float32)])).words
        # The model mishears some words; it does so with silence after them, too.
        assert len(cut) == len(whole), path
        assert cut[-1].text[:2] == whole[-1].text[:2], path


@pytest.mark.parametrize("beam", [1, 4])
def test_silence_and_noise_have_no_words(recognizer: sv.Recognizer, beam: int) -> None:
    random = np.random.default_rng(5)
    white = random.normal(size=6 * RATE)
    brown = np.cumsum(white) - np.linspace(0, white.sum(), len(white))
    hum = np.sin(2 * np.pi * 50 * np.arange(6 * RATE) / RATE)
    for noise, level in ((0 * white, 0.0), (white, 1e-3), (white, 0.02), (brown, 0.1), (hum, 0.1)):
        samples = (noise / max(1e-9, float(np.abs(noise).max())) * level).astype(np.float32)
        stream = recognizer.stream(beam=beam, endpoint_silence=0.5)
        assert stream.push(samples) == [] and stream.flush() == [], level


def test_clipping_offset_level_and_rates_change_no_word(recognizer: sv.Recognizer, request_audio: FloatArray) -> None:
    wanted = recognizer.transcribe(request_audio).text
    assert wanted
    loudest = float(np.abs(request_audio).max())
    changed = {
        "offset": (request_audio + 0.1, RATE),
        "clipped": (np.clip(request_audio, -0.6 * loudest, 0.6 * loudest), RATE),
        "quiet": (request_audio * 0.3, RATE),
        "beyond full scale": (request_audio * (3 / loudest), RATE),
        "96 kHz": (resample(request_audio, RATE, 96000), 96000),
        "44.1 kHz": (resample(request_audio, RATE, 44100), 44100),
    }
    for name, (samples, rate) in changed.items():
        assert recognizer.transcribe(np.asarray(samples, np.float32), rate).text == wanted, name
    telephone = recognizer.transcribe(resample(request_audio, RATE, 8000), 8000).text
    assert set(telephone.split()) & set(wanted.split())


def test_gaps_of_silence_between_words_lose_none(recognizer: sv.Recognizer, request_audio: FloatArray) -> None:
    stream = recognizer.stream()
    stream.accept_waveform(request_audio)
    words = stream.finish().words
    middle = words[len(words) // 2]
    at = int((words[len(words) // 2 - 1].end + middle.start) / 2 * RATE)
    gap = np.zeros(RATE // 2, np.float32)
    text = recognizer.transcribe(np.concatenate([gap, request_audio[:at], gap, request_audio[at:], gap])).text
    assert abs(len(text.split()) - len(words)) <= 1


def test_nan_in_the_middle_is_refused_and_the_stream_goes_on(
    recognizer: sv.Recognizer, request_audio: FloatArray
) -> None:
    stream = recognizer.stream()
    stream.accept_waveform(request_audio[:10000])
    broken = request_audio[10000:12000].copy()
    broken[77] = np.nan
    with pytest.raises(sv.InvalidInputError, match="sample 10077: wanted a finite number, found NaN"):
        stream.accept_waveform(broken)
    stream.accept_waveform(request_audio[10000:])
    assert stream.finish() == recognizer.transcribe(request_audio)


@pytest.mark.parametrize("beam", [1, 3])
def test_half_an_hour_keeps_memory_flat(beam: int) -> None:
    model = sv.Recognizer.from_pretrained(ROOT / "golden" / "transducer_tiny" / "int8.gguf")
    noise = np.random.default_rng(3).normal(0, 0.1, RATE * 2).astype(np.float32)
    stream = model.stream(beam=beam, endpoint_silence=0.5, endpoint_max=20.0)
    peaks, bytes_ = [], stream.state_bytes
    endpoints = 0
    for second in range(30 * 60):
        # Half of the time nobody speaks.
        events = stream.push(noise[:RATE] * (1.0 if second % 4 < 2 else 0.0))
        endpoints += sum(event.kind == "endpoint" for event in events)
        if second in (300, 1799):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert endpoints > 60
    assert stream.state_bytes == bytes_
    assert peaks[1] - peaks[0] < 8 << 10  # KiB; what was said stays, and that is all
