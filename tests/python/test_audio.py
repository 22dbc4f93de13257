"""WAV files, sample rates and features through the public API."""

from __future__ import annotations

import struct
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sottovoce import audio
from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError, UnsupportedError

RANDOM = np.random.default_rng(0)
NOISE = (RANDOM.standard_normal(12345) * 0.1).astype(np.float32)


def write_wav(path: Path, frames: bytes, *, channels: int = 1, width: int = 2, rate: int = 16000) -> Path:
    """A PCM file by the standard library."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(frames)
    return path


def cut(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Split at the running sums of `sizes`; the last piece holds the rest."""
    return np.split(samples, np.minimum(np.cumsum(sizes), len(samples)))


def test_16_bit_stereo_96_khz(tmp_path: Path) -> None:
    stereo = RANDOM.integers(-32768, 32767, (1000, 2)).astype("<i2")
    samples, rate = audio.read_wav(write_wav(tmp_path / "a.wav", stereo.tobytes(), channels=2, rate=96000))
    assert rate == 96000 and samples.dtype == np.float32
    assert np.array_equal(samples, stereo.astype(np.float32).mean(1) / 32768)


def test_8_bit(tmp_path: Path) -> None:
    values = np.arange(256, dtype=np.uint8)
    samples, _ = audio.read_wav(write_wav(tmp_path / "a.wav", values.tobytes(), width=1))
    assert np.array_equal(samples, (values.astype(np.float32) - 128) / 128)


def test_24_and_32_bit(tmp_path: Path) -> None:
    values = np.array([-(2**31), -256, 0, 256, 2**30], dtype="<i4")
    for width in (3, 4):
        frames = values.view(np.uint8).reshape(-1, 4)[:, 4 - width :].tobytes()
        samples, _ = audio.read_wav(write_wav(tmp_path / "a.wav", frames, width=width))
        assert np.array_equal(samples, (values / 2**31).astype(np.float32))


def test_empty_file_of_samples(tmp_path: Path) -> None:
    samples, rate = audio.read_wav(write_wav(tmp_path / "a.wav", b"", rate=8000))
    assert len(samples) == 0 and rate == 8000


@pytest.mark.parametrize("size", [0, 3, 11, 20, 43, 60])
def test_truncated(tmp_path: Path, size: int) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(100))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"a\.wav: WAV"):
        audio.read_wav(path)


def test_streaming_writer_left_sizes_open(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.full(10, 16384, "<i2").tobytes())
    whole = bytearray(path.read_bytes())
    struct.pack_into("<I", whole, 4, 0xFFFFFFFF)
    struct.pack_into("<I", whole, 40, 0xFFFFFFFF)
    path.write_bytes(whole)
    assert np.array_equal(audio.read_wav(path)[0], np.full(10, 0.5, np.float32))


def test_missing_compressed_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        audio.read_wav(tmp_path / "none.wav")
    with pytest.raises(InvalidInputError, match="found a directory"):
        audio.read_wav(tmp_path)
    path = write_wav(tmp_path / "a.wav", bytes(100))
    mu_law = bytearray(path.read_bytes())
    struct.pack_into("<H", mu_law, 20, 7)
    path.write_bytes(mu_law)
    with pytest.raises(UnsupportedError, match="format code 7"):
        audio.read_wav(path)
    path.write_bytes(b"ID3" + bytes(1000))
    with pytest.raises(DataError, match="not a WAV file"):
        audio.read_wav(path)


def test_resample_keeps_a_tone() -> None:
    tone = np.sin(2 * np.pi * 700 * np.arange(44100) / 44100).astype(np.float32)
    got = audio.resample(tone, 44100, 16000)
    assert len(got) == 16000
    wanted = np.sin(2 * np.pi * 700 * np.arange(16000) / 16000)
    assert np.abs(got - wanted)[200:-200].max() < 1e-4
    assert np.array_equal(audio.resample(tone, 16000, 16000), tone)


@pytest.mark.parametrize("rate", [0, -1, 999, 10**6])
def test_resample_refuses_rates(rate: int) -> None:
    with pytest.raises(InvalidInputError, match="sample rate"):
        audio.resample(NOISE, rate, 16000)


def reference_kaldi(samples: np.ndarray) -> np.ndarray:
    """Kaldi's features by their definition, in float64."""
    count = (len(samples) + 80) // 160
    index = 160 * np.arange(count)[:, None] + 80 - 200 + np.arange(400)
    for _ in range(800):  # mirror until inside; short utterances need it often
        index = np.where(index < 0, -index - 1, index)
        index = np.where(index >= len(samples), 2 * len(samples) - 1 - index, index)
    frames = samples.astype(np.float64)[index]
    frames -= frames.mean(1, keepdims=True)
    frames -= 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], 1)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frames * window, 512)) ** 2
    mel = 1127 * np.log1p(np.arange(256) * 31.25 / 700)
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(7600 / 700), 82)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.maximum(0, np.minimum((mel - left) / (centre - left), (right - mel) / (right - centre)))
    return np.log(np.maximum(power[:, :256] @ filters.T, np.finfo(np.float32).eps))


@pytest.mark.parametrize("count", [80, 100, 399, 400, 12345])
def test_kaldi_features_by_definition(count: int) -> None:
    got = audio.Fbank("kaldi80").compute(NOISE[:count])
    wanted = reference_kaldi(NOISE[:count])
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 1e-3


def test_features_of_silence_and_of_nothing() -> None:
    for preset, floor in (("kaldi80", np.log(np.finfo(np.float32).eps)), ("slaney128", np.log(2.0**-24))):
        fbank = audio.Fbank(preset)
        assert fbank.compute([]).shape == (0, fbank.num_mels)
        assert fbank.compute([0.5]).shape == (0, fbank.num_mels)
        silence = fbank.compute(np.zeros(1600, np.float32))
        assert silence.shape == (10, fbank.num_mels) and np.allclose(silence, floor)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=30), st.integers(0, len(NOISE)), st.sampled_from(audio.PRESETS))
def test_features_are_bit_equal_in_any_chunking(sizes: list[int], count: int, preset: str) -> None:
    fbank = audio.Fbank(preset)
    whole = fbank.compute(NOISE[:count])
    parts = [fbank.accept(part) for part in cut(NOISE[:count], sizes)]
    assert np.array_equal(np.concatenate([*parts, fbank.finish()]), whole)


def test_a_finished_stream_wants_a_reset() -> None:
    fbank = audio.Fbank()
    first = np.concatenate([fbank.accept(NOISE), fbank.finish()])
    assert len(fbank.finish()) == 0
    with pytest.raises(InvalidInputError, match="after finish"):
        fbank.accept(NOISE)
    fbank.reset()
    assert np.array_equal(np.concatenate([fbank.accept(NOISE), fbank.finish()]), first)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_named(bad: float) -> None:
    samples = NOISE.copy()
    samples[321] = bad
    for refuse in (audio.Fbank().compute, audio.Fbank().accept, lambda x: audio.resample(x, 8000, 16000)):
        with pytest.raises(InvalidInputError, match="sample 321: wanted a finite number"):
            refuse(samples)


def test_samples_of_other_shapes_and_types() -> None:
    assert np.array_equal(audio.as_samples(np.array([-32768, 16384], np.int16)), [-1.0, 0.5])
    assert audio.as_samples([0.25, 0.5]).dtype == np.float32
    assert audio.as_samples(NOISE[::2]).flags.c_contiguous
    with pytest.raises(InvalidInputError, match="1-D mono"):
        audio.as_samples(np.zeros((2, 100), np.float32))
    with pytest.raises(InvalidInputError, match="int64"):
        audio.as_samples(np.zeros(10, np.int64))


def test_settings() -> None:
    assert audio.Fbank("kaldi80", num_mels=40).compute(NOISE).shape[1] == 40
    with pytest.raises(InvalidInputError, match="unknown setting 'mels'"):
        audio.Fbank(mels=40)
    with pytest.raises(InvalidInputError, match="kaldi80 or slaney128"):
        audio.Fbank("mfcc")
    with pytest.raises(InvalidInputError, match="fft_size"):
        audio.Fbank(fft_size=500)
    with pytest.raises(InvalidInputError, match="window"):
        audio.Fbank(window="square")


def test_threads() -> None:
    fbank = audio.Fbank()
    serial = [fbank.compute(NOISE[i:]) for i in range(8)]
    parallel: list[np.ndarray | None] = [None] * 8

    def run(i: int) -> None:
        parallel[i] = fbank.compute(NOISE[i:])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(serial, parallel, strict=True))
