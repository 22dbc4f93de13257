"""Segments of speech: the demo recordings between silences and noises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sottovoce as sv
from sottovoce.audio import read_wav, resample

if TYPE_CHECKING:
    from sottovoce.audio import FloatArray

AUDIO = Path(__file__).parents[2] / "demos" / "audio"
RATE = 16000
GAP = 1.5  # seconds before each recording and after the last


def detect(samples: FloatArray, chunk: int = 1600, rate: int = RATE) -> list[sv.SpeechSegment]:
    detector = sv.VoiceActivityDetector(min_silence=0.8)
    found: list[sv.SpeechSegment] = []
    for start in range(0, len(samples), chunk):
        found += detector.push(samples[start : start + chunk], rate)
    return found + detector.flush()


@pytest.fixture(scope="module")
def two_requests() -> FloatArray:
    gap = np.zeros(int(GAP * RATE), np.float32)
    first, second = (read_wav(AUDIO / name)[0] for name in ("rate_book.wav", "workout_playlist.wav"))
    return np.concatenate([gap, first, gap, second, gap])


@pytest.mark.parametrize("noise_level", [0.0, 0.001, 0.005])
@pytest.mark.parametrize("rate", [8000, RATE, 48000])
def test_two_requests_are_two_segments(two_requests: FloatArray, noise_level: float, rate: int) -> None:
    noise = np.random.default_rng(1).normal(0, noise_level, len(two_requests)).astype(np.float32)
    samples = resample(two_requests + noise, RATE, rate) if rate != RATE else two_requests + noise
    segments = detect(np.asarray(samples, np.float32), 4096, rate)
    assert len(segments) == 2
    first_end = GAP + len(read_wav(AUDIO / "rate_book.wav")[0]) / RATE
    assert GAP - 0.2 < segments[0].start < GAP + 0.5
    assert segments[0].end < first_end + 0.4
    assert first_end + GAP - 0.2 < segments[1].start < first_end + GAP + 0.5


@settings(max_examples=10, deadline=None)
@given(chunk=st.integers(1, 30000))
def test_any_chunking_gives_the_same(two_requests: FloatArray, chunk: int) -> None:
    samples = two_requests[:40000]
    assert detect(samples, chunk) == detect(samples, len(samples))


def test_silence_and_steady_noise_are_no_speech() -> None:
    assert detect(np.zeros(5 * RATE, np.float32)) == []
    noise = np.random.default_rng(2).normal(0, 0.05, 10 * RATE).astype(np.float32)
    assert detect(noise) == []


def test_speaking_while_somebody_does(two_requests: FloatArray) -> None:
    detector = sv.VoiceActivityDetector()
    detector.push(two_requests[: int(GAP * RATE)])
    assert not detector.speaking
    detector.push(two_requests[int(GAP * RATE) : int((GAP + 1) * RATE)])
    assert detector.speaking
    assert detector.flush() and detector.flush() == []


def test_mistakes_are_named() -> None:
    with pytest.raises(sv.InvalidInputError, match="min silence: wanted 0 to 60 seconds, found -1"):
        sv.VoiceActivityDetector(min_silence=-1)
    detector = sv.VoiceActivityDetector()
    with pytest.raises(sv.InvalidInputError, match="sample 1"):
        detector.push([0.0, float("nan")])
    detector.push([0.0])
    with pytest.raises(sv.InvalidInputError, match="wanted 16000 Hz"):
        detector.push([0.0], 8000)
    detector.flush()
    with pytest.raises(sv.InvalidInputError, match="wanted samples before finish"):
        detector.push([0.0])
