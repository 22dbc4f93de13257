"""Events of a stream: partials, finals, endpoints, biasing and beams, on the bundled recognizer."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sottovoce as sv
from sottovoce.audio import read_wav

if TYPE_CHECKING:
    from sottovoce.audio import FloatArray

AUDIO = Path(__file__).parents[2] / "demos" / "audio"
RATE = 16000


@pytest.fixture(scope="module")
def recognizer() -> sv.Recognizer:
    return sv.Recognizer.from_pretrained("en-micro")


@pytest.fixture(scope="module")
def two_requests() -> FloatArray:
    """Two recordings with 1.5 s of silence after each."""
    silence = np.zeros(RATE * 3 // 2, np.float32)
    first, second = (read_wav(AUDIO / name)[0] for name in ("rate_book.wav", "workout_playlist.wav"))
    return np.concatenate([first, silence, second, silence]).astype(np.float32)


def run(stream: sv.RecognizerStream, samples: FloatArray, chunk: int) -> list[sv.Event]:
    events: list[sv.Event] = []
    for start in range(0, len(samples), chunk):
        events += stream.push(samples[start : start + chunk], RATE)
    return events + list(stream.flush())


def settled(events: list[sv.Event]) -> list[sv.Event]:
    return [event for event in events if event.kind != "partial"]


def test_endpoints_part_the_utterances(recognizer: sv.Recognizer, two_requests: FloatArray) -> None:
    events = run(recognizer.stream(endpoint_silence=0.6), two_requests, 1280)
    assert [event.kind for event in settled(events)] == ["final", "endpoint", "final", "endpoint"]
    first, end, second, _ = settled(events)
    assert isinstance(first, sv.FinalEvent) and isinstance(second, sv.FinalEvent) and isinstance(end, sv.EndpointEvent)
    assert first.text == "rate this book five out of six stars"
    assert [word.text for word in first.words] == first.text.split()
    assert 0 < first.confidence <= 1
    assert first.start < first.end <= end.time < second.start < second.end
    assert end.reason == "silence"
    assert end.time - first.end < 1.3
    partials = [event for event in events if isinstance(event, sv.PartialEvent)]
    assert partials and all(a.text != b.text for a, b in itertools.pairwise(partials))
    assert partials[0].words[0].start >= 0
    assert events[-1].to_dict()["kind"] == "endpoint"


@settings(max_examples=8, deadline=None)
@given(chunk=st.integers(37, 20000), beam=st.sampled_from([1, 4]))
def test_any_chunking_gives_the_same(chunk: int, beam: int) -> None:
    recognizer = sv.Recognizer.from_pretrained("en-micro")
    samples = read_wav(AUDIO / "play_jazz.wav")[0]
    samples = np.concatenate([samples, np.zeros(RATE, np.float32)])
    options = {
        "beam": beam,
        "alternatives": beam,
        "endpoint_silence": 0.5,
        "biasing": ["miles davis"] if beam > 1 else [],
    }
    whole = settled(run(recognizer.stream(**options), samples, len(samples)))
    assert settled(run(recognizer.stream(**options), samples, chunk)) == whole


def test_without_rules_there_is_one_final_and_no_endpoint(recognizer: sv.Recognizer, two_requests: FloatArray) -> None:
    stream = recognizer.stream()
    events = settled(run(stream, two_requests, 4000))
    assert [event.kind for event in events] == ["final"]
    assert stream.finish().text == recognizer.transcribe(two_requests, RATE).text


def test_max_length_cuts_an_endless_utterance(recognizer: sv.Recognizer) -> None:
    samples = np.tile(read_wav(AUDIO / "rate_book.wav")[0], 3)
    events = settled(run(recognizer.stream(endpoint_max=1.5), samples, 1600))
    ends = [event for event in events if isinstance(event, sv.EndpointEvent)]
    assert len(ends) >= 2 and {event.reason for event in ends} == {"max_length"}


def test_silence_and_noise_end_nothing(recognizer: sv.Recognizer) -> None:
    silence = np.zeros(RATE * 3, np.float32)
    assert run(recognizer.stream(endpoint_silence=0.3), silence, 1600) == []


def test_a_boosted_phrase_wins(recognizer: sv.Recognizer) -> None:
    samples, rate = read_wav(AUDIO / "play_jazz.wav")
    assert "miles davis" not in recognizer.transcribe(samples, rate).text
    stream = recognizer.stream(beam=4, biasing=["miles davis", ("jazz", 2.0)], biasing_boost=3.0)
    stream.push(samples, rate)
    assert "miles davis" in stream.finish().text


def test_biasing_changes_between_utterances(recognizer: sv.Recognizer) -> None:
    samples, rate = read_wav(AUDIO / "play_jazz.wav")
    stream = recognizer.stream(beam=4)
    stream.set_biasing(["Miles DAVIS"], boost=3.0)  # the vocabulary has no capitals
    with pytest.raises(sv.InvalidInputError, match="phrase 'miles!'"):
        stream.set_biasing(["jazz", "miles!"])
    stream.push(samples, rate)
    assert "miles davis" in stream.finish().text


def test_alternatives(recognizer: sv.Recognizer) -> None:
    samples, rate = read_wav(AUDIO / "weather_paris.wav")
    stream = recognizer.stream(beam=8, alternatives=5)
    stream.push(samples, rate)
    (final,) = settled(list(stream.flush()))
    assert isinstance(final, sv.FinalEvent)
    assert 1 <= len(final.alternatives) <= 5
    scores = [alternative.log_prob for alternative in final.alternatives]
    assert scores == sorted(scores, reverse=True)
    assert final.alternatives[0].text == final.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam: wanted 1 to 64, found 0"),
        ({"beam": 65}, "beam: wanted 1 to 64, found 65"),
        ({"alternatives": 2}, "alternatives: wanted 1 to the beam of 1, found 2"),
        ({"endpoint_silence": -1.0}, "endpoint silence: wanted seconds"),
        ({"biasing": [" "]}, "biasing phrase: wanted text"),
        (
            {"biasing": ["jazz", "gate 7"]},
            "biasing phrase 'gate 7': wanted characters of the model's vocabulary, found '7' (U+0037)",
        ),
        (
            {"biasing": ["Café"]},
            "biasing phrase 'Café': wanted characters of the model's vocabulary, found 'é' (U+00E9)",
        ),
        ({"biasing": [("jazz", float("nan"))]}, "wanted a boost in"),
        ({"biasing": [3]}, "biasing: wanted a phrase"),
    ],
)
def test_mistakes_are_named(recognizer: sv.Recognizer, options: dict[str, object], message: str) -> None:
    with pytest.raises(sv.InvalidInputError, match=re.escape(message)):
        recognizer.stream(**options)  # type: ignore[arg-type]


def test_streams_in_one_call_are_as_alone(recognizer: sv.Recognizer) -> None:
    names = ["play_jazz.wav", "weather_paris.wav", "rate_book.wav"]
    audio = [read_wav(AUDIO / name)[0] for name in names]
    options: list[dict[str, object]] = [{"beam": 4, "alternatives": 4}, {}, {"endpoint_silence": 0.4, "beam": 2}]
    alone = [run(recognizer.stream(**o), x, 1600) for o, x in zip(options, audio, strict=True)]  # type: ignore[arg-type]
    streams = [recognizer.stream(**o) for o in options]  # type: ignore[arg-type]
    together: list[list[sv.Event]] = [[] for _ in streams]
    for start in range(0, max(map(len, audio)), 1600):
        events = recognizer.push_batch(streams, [x[start : start + 1600] for x in audio])
        for seen, new in zip(together, events, strict=True):
            seen += new
    for seen, new in zip(together, recognizer.push_batch(streams, [[]] * 3, finish=True), strict=True):
        seen += new
    assert together == alone
    with pytest.raises(sv.InvalidInputError, match="wanted samples before finish"):
        recognizer.push_batch(streams, audio)
    one = recognizer.stream()
    with pytest.raises(sv.InvalidInputError, match="wanted each stream once, found stream 0 again"):
        recognizer.push_batch([one, one], audio[:2])
    with pytest.raises(sv.InvalidInputError, match="wanted one for each of 1 streams, found 3"):
        recognizer.push_batch([one], audio)
