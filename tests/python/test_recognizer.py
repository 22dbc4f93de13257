"""Speech to text through the public API, on the small random network of tests/golden/make_transducer.py."""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError, UnsupportedError
from sottovoce.recognizer import RecognitionResult, Recognizer

GOLDEN = Path(__file__).parent.parent / "golden"
KINDS = ("f32", "int8")
MODELS = {kind: Recognizer.from_pretrained(GOLDEN / "transducer_tiny" / f"{kind}.gguf") for kind in KINDS}
NOISE = (np.random.default_rng(1).standard_normal(16000) * 0.1).astype(np.float32)

Outcome = tuple[RecognitionResult, list[tuple[int, int, float]]]


def decode(model: Recognizer, parts: list[np.ndarray], rate: int = 16000) -> Outcome:
    """Stream the parts."""
    stream = model.stream()
    for part in parts:
        stream.accept_waveform(part, rate)
    return stream.finish(), stream.tokens


def golden_tokens(kind: str) -> list[int]:
    """The last record of the golden file: its name, a count and that many floats."""
    data = (GOLDEN / "transducer_tiny" / f"{kind}.bin").read_bytes()
    at = data.rindex(b"tokens") + len(b"tokens")
    (count,) = np.frombuffer(data, "<u4", 1, at)
    return [int(token) for token in np.frombuffer(data, "<f4", int(count), at + 4)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=30), st.integers(0, 16000), st.sampled_from(KINDS))
def test_any_chunking_is_bit_equal(sizes: list[int], count: int, kind: str) -> None:
    samples = NOISE[:count]
    whole = decode(MODELS[kind], [samples])
    assert decode(MODELS[kind], np.split(samples, np.minimum(np.cumsum(sizes), count))) == whole
    assert MODELS[kind].transcribe(samples) == whole[0]


def test_tokens_are_the_torch_references() -> None:
    phase = np.cumsum(400 + np.arange(5500) // 4) % 65536
    tone = ((np.abs(phase - 32768) - 16384) / 65536.0).astype(np.float32)
    for kind, model in MODELS.items():
        result, tokens = decode(model, [tone])
        wanted = golden_tokens(kind)
        assert wanted and [token for token, _, _ in tokens] == wanted
        assert result.text == " ".join(word.text for word in result.words)
        for word in result.words:
            assert 0 <= word.start < word.end <= len(tone) / 16000 + model.frame_seconds
            assert 0 < word.confidence <= 1


def test_a_file_is_its_samples(tmp_path: Path) -> None:
    values = (NOISE * 20000).astype("<i2")
    path = tmp_path / "a.wav"
    for rate in (16000, 44100):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(values.tobytes())
        for model in MODELS.values():
            result = model.transcribe(path)
            assert result.text
            assert result == model.transcribe(str(path), rate) == model.transcribe(values, rate)
            assert result == model.transcribe(values.astype(np.float32) / 32768, sample_rate=rate)
    with pytest.raises(InvalidInputError, match="has 44100 Hz, found 16000"):
        MODELS["f32"].transcribe(path, 16000)


def test_partial_grows_into_the_result() -> None:
    stream = MODELS["int8"].stream()
    assert stream.partial == ""
    partials = []
    for part in np.split(NOISE, 20):
        stream.accept_waveform(part)
        partials.append(stream.partial)
    result = stream.finish()
    assert all(later.startswith(earlier) for earlier, later in zip(partials, [*partials[1:], result.text], strict=True))
    assert stream.partial == result.text and stream.finish() == result


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), [], np.zeros(1, np.float32), [0.5]])
def test_nothing_to_hear(samples: np.ndarray) -> None:
    result = MODELS["f32"].transcribe(samples)
    assert result.text == "" and result.words == ()
    assert result.to_dict() == {"text": "", "words": []}


def test_what_a_stream_refuses() -> None:
    stream = MODELS["f32"].stream()
    stream.accept_waveform(NOISE, 16000)
    with pytest.raises(InvalidInputError, match="wanted 16000 Hz"):
        stream.accept_waveform(NOISE, 8000)
    with pytest.raises(InvalidInputError, match="sample 16001: wanted a finite number, found NaN"):
        stream.accept_waveform(np.array([0.0, np.nan], np.float32), 16000)
    with pytest.raises(InvalidInputError, match="1-D mono"):
        stream.accept_waveform(np.zeros((100, 2), np.float32))
    with pytest.raises(InvalidInputError, match="8000 to 192000"):
        MODELS["f32"].stream().accept_waveform(NOISE, 7000)
    result = stream.finish()
    assert result == MODELS["f32"].transcribe(NOISE)
    with pytest.raises(InvalidInputError, match="after it; open a new stream"):
        stream.accept_waveform(NOISE)


def test_threads() -> None:
    model = MODELS["int8"]
    serial = [decode(model, [NOISE[500 * i :]]) for i in range(8)]
    parallel: list[Outcome | None] = [None] * 8

    def run(i: int) -> None:
        parallel[i] = decode(model, np.array_split(NOISE[500 * i :], 7))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parallel == serial


def test_files_that_are_no_speech_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        Recognizer.from_pretrained(tmp_path / "none.gguf")
    data = (GOLDEN / "transducer_tiny" / "int8.gguf").read_bytes()
    assert Recognizer.from_bytes(data).transcribe(NOISE) == MODELS["int8"].transcribe(NOISE)
    renamed = data.replace(b"conv-transformer-transducer", b"conv-transformer-transducex")
    for broken in (data[:1000], data[: len(data) // 2], data[:-64], renamed, b""):
        with pytest.raises((DataError, UnsupportedError)):
            Recognizer.from_bytes(broken)
