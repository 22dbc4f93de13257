"""Audio from files of many kinds, and recordings in the place of a microphone."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sottovoce as sv
from sottovoce.audio import read_wav, resample

AUDIO = Path(__file__).parents[2] / "demos" / "audio"


@pytest.fixture(scope="module")
def recognizer() -> sv.Recognizer:
    return sv.Recognizer.from_pretrained("en-micro")


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.flac", {}, 0.0),
        ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}, None),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}, None),
        ("a.mp3", {"format": "MP3"}, None),
        ("ulaw.wav", {"subtype": "ULAW"}, 0.02),
        ("a.aiff", {}, 0.0),
    ],
)
def test_other_kinds_of_files(
    tmp_path: Path, recognizer: sv.Recognizer, name: str, options: dict[str, str], tolerance: float | None
) -> None:
    spoken, rate = read_wav(AUDIO / "rate_book.wav")
    soundfile.write(tmp_path / name, np.stack([spoken, spoken], 1), rate, **options)
    samples, found = sv.read_audio(tmp_path / name)
    assert samples.dtype == np.float32 and samples.ndim == 1 and found in (rate, 48000)
    if tolerance is not None:
        np.testing.assert_allclose(samples, spoken, atol=tolerance)
    assert recognizer.transcribe(tmp_path / name).text.split()[:3] == ["rate", "this", "book"]


def test_files_that_are_no_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.flac").write_bytes(b"fLaC but nothing of it is true" * 9)
    with pytest.raises(sv.DataError, match=r"a\.flac: wanted audio \(WAV, FLAC"):
        sv.read_audio(tmp_path / "a.flac")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(sv.DataError, match="empty"):
        sv.read_audio(tmp_path / "empty")
    with pytest.raises(sv.ModelNotFoundError, match=r"none\.ogg: no such file"):
        sv.read_audio(tmp_path / "none.ogg")
    with pytest.raises(sv.InvalidInputError, match="found a directory"):
        sv.read_audio(tmp_path)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(sv.MissingPackageError, match=r"a\.flac: .* needs the package soundfile.*sottovoce\[audio\]"):
        sv.read_audio(tmp_path / "a.flac")
    assert sv.read_audio(AUDIO / "rate_book.wav")[1] == 16000  # WAV needs nothing


def test_a_recording_in_the_place_of_a_microphone(tmp_path: Path, recognizer: sv.Recognizer) -> None:
    spoken, rate = read_wav(AUDIO / "rate_book.wav")
    source = sv.audio_chunks(AUDIO / "rate_book.wav", chunk_seconds=0.1)
    chunks = list(source)
    assert {len(chunk) for chunk in chunks[:-1]} == {1600} and source.sample_rate == 16000
    np.testing.assert_array_equal(np.concatenate(chunks), spoken)
    assert len(list(source)) == len(chunks)  # again
    np.testing.assert_array_equal(
        np.concatenate(list(sv.audio_chunks(spoken, 8000, source_rate=rate))), resample(spoken, rate, 8000)
    )
    (final,) = [event for event in recognizer.listen(source) if isinstance(event, sv.FinalEvent)]
    assert final.text == recognizer.transcribe(spoken).text
    assert list(sv.audio_chunks(np.zeros(0, np.float32))) == []


def test_real_time_takes_as_long_as_speaking() -> None:
    start = time.monotonic()
    assert sum(map(len, sv.audio_chunks(np.zeros(3200, np.float32), realtime=True))) == 3200
    assert time.monotonic() - start >= 0.19


def test_mistakes_are_named() -> None:
    with pytest.raises(sv.InvalidInputError, match="chunk_seconds: wanted"):
        sv.audio_chunks(np.zeros(1, np.float32), chunk_seconds=0)
    with pytest.raises(sv.InvalidInputError, match="source_rate: wanted none with a file"):
        sv.audio_chunks(AUDIO / "rate_book.wav", source_rate=8000)
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        sv.no_such  # noqa: B018
