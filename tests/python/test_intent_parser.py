"""The parser on the bundled models: what it says, and what odd text does to it."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sottovoce as sv
from sottovoce.models import bundled, resolve

REQUESTS = {
    "play some jazz by miles davis": ("PlayMusic", {"artist": "miles davis"}),
    "book a table for four people in berlin": ("BookRestaurant", {"party_size_number": "four", "city": "berlin"}),
    "what will the weather be like in paris tomorrow": ("GetWeather", {"city": "paris", "timeRange": "tomorrow"}),
    "add this song to my workout playlist": ("AddToPlaylist", {"playlist": "workout"}),
}
FLIGHT = "show me flights from boston to denver on monday"


@pytest.fixture(scope="module")
def parser() -> sv.IntentParser:
    return sv.IntentParser.from_pretrained("snips-en")


@pytest.mark.parametrize("model", ["snips-en", "snips-en-6x384", "snips-en-binary", "snips-en-dyna"])
@pytest.mark.parametrize("text", REQUESTS)
def test_requests(model: str, text: str) -> None:
    result = sv.IntentParser.from_pretrained(model).parse(text)
    intent, slots = REQUESTS[text]
    assert result.intent.name == intent
    assert not result.out_of_scope
    found = {slot.name: slot.value for slot in result.slots}
    assert slots.items() <= found.items()


@pytest.mark.parametrize(("width", "depth"), [(0.75, 1.0), (0.5, 1.0), (0.25, 1.0), (1.0, 0.75), (0.5, 0.75)])
def test_parts_of_the_adaptive_model_know_the_intents(width: float, depth: float) -> None:
    part = sv.IntentParser.from_pretrained("snips-en-dyna", width=width, depth=depth)
    for text, (intent, _) in REQUESTS.items():
        assert part.parse(text).intent.name == intent


def test_atis() -> None:
    result = sv.IntentParser.from_pretrained("atis-en").parse(FLIGHT)
    assert result.intent.name == "atis_flight"
    found = {slot.name: slot.value for slot in result.slots}
    assert found["fromloc.city_name"] == "boston"
    assert found["toloc.city_name"] == "denver"


def test_result_shape(parser: sv.IntentParser) -> None:
    text = "play some jazz by miles davis in the kitchen"
    result = parser.parse(text, top_k=3)
    document = json.loads(json.dumps(result.to_dict()))
    assert document["text"] == text
    assert set(document["intent"]) == {"name", "score"}
    assert document["intents"][0] == document["intent"]
    scores = [intent["score"] for intent in document["intents"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1 + 1e-6
    for slot in document["slots"]:
        assert set(slot) == {"name", "value", "start", "end", "score"}
        assert text[slot["start"] : slot["end"]] == slot["value"]
        assert 0 <= slot["score"] <= 1


def test_top_k_beyond_the_labels_gives_all(parser: sv.IntentParser) -> None:
    result = parser.parse("play jazz", top_k=1000)
    assert len(result.intents) == len(parser.intents)
    assert sum(intent.score for intent in result.intents) == pytest.approx(1, abs=1e-5)


def test_offsets_are_characters_of_the_original(parser: sv.IntentParser) -> None:
    text = "🎷🎷  Play  some   JAZZ by Miles Dávis!!!"
    result = parser.parse(text)
    assert result.intent.name == "PlayMusic"
    artist = next(slot for slot in result.slots if slot.name == "artist")
    assert artist.value == "Miles Dávis"
    assert text[artist.start : artist.end] == artist.value


@pytest.mark.parametrize(
    "text",
    [
        "what is the meaning of life",
        "asdf qwer zxcv",
        "my stomach hurts since yesterday",
        "transfer 500 dollars to bob",
    ],
)
def test_out_of_scope(parser: sv.IntentParser, text: str) -> None:
    result = parser.parse(text)
    assert result.out_of_scope
    assert result.intent.name in parser.intents


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\t\n\r ",
        "\x00",
        "🤷🏽‍♀️👨‍👩‍👧‍👦",
        "اعزف موسيقى الجاز",
        "נגן ג'אז \u202e",
        "播放爵士乐",
        "[CLS] [SEP] [MASK]",
        "�",
        "\ud800 lone",
        "a" * 5000,
    ],
)
def test_odd_text(parser: sv.IntentParser, text: str) -> None:
    result = parser.parse(text)
    assert result.intent.name in parser.intents
    for slot in result.slots:
        assert 0 <= slot.start < slot.end <= len(text)
        assert slot.value == text[slot.start : slot.end]


def test_lone_surrogates_warn(parser: sv.IntentParser) -> None:
    result = parser.parse("play jazz \ud800 by miles davis")
    assert any("UTF-8" in warning for warning in result.warnings)
    assert any(slot.value == "miles davis" for slot in result.slots)


def test_long_text_is_parsed_by_its_first_window(parser: sv.IntentParser) -> None:
    text = ("play some jazz by miles davis " * 4000)[:100_000]
    result = parser.parse(text)
    assert "first window" in result.warnings[0]
    assert result.intent.name == "PlayMusic"
    assert parser.parse("play some jazz by miles davis").warnings == ()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_parses(text: str) -> None:
    parser = sv.IntentParser.from_pretrained("snips-en")
    result = parser.parse(text)
    assert 0 <= result.intent.score <= 1
    ends = [0]
    for slot in result.slots:
        assert ends[-1] <= slot.start < slot.end <= len(text)
        ends.append(slot.end)


def test_bad_arguments(parser: sv.IntentParser) -> None:
    with pytest.raises(sv.InvalidInputError, match="wanted str, found bytes"):
        parser.parse(b"play jazz")  # type: ignore[arg-type]
    for top_k in (0, 2.5, "3"):
        with pytest.raises(sv.InvalidInputError, match=f"top_k: wanted a whole number of at least 1, found {top_k!r}"):
            parser.parse("play jazz", top_k=top_k)  # type: ignore[arg-type]
    with pytest.raises(sv.ModelNotFoundError, match="snips-xx: no such file"):
        sv.IntentParser.from_pretrained("snips-xx")


def test_a_recognizer_is_no_parser() -> None:
    with pytest.raises(sv.UnsupportedError, match=r"conv-transformer-transducer.*wanted 'bert-intent-slot'"):
        sv.IntentParser.from_pretrained("en-micro")


def test_from_bytes_equals_from_file(parser: sv.IntentParser) -> None:
    other = sv.IntentParser.from_bytes(Path(resolve("snips-en")).read_bytes())
    for text in REQUESTS:
        assert other.parse(text) == parser.parse(text)


def test_eight_threads_give_the_serial_answers(parser: sv.IntentParser) -> None:
    texts = [f"{text} {'please ' * n}".strip() for n in range(12) for text in (*REQUESTS, FLIGHT)]
    serial = [parser.parse(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(parser.parse, texts * 4)) == serial * 4


def test_bundled_models_stay_small() -> None:
    sizes = {name: os.path.getsize(path) for name, path in bundled().items()}
    assert {"snips-en", "atis-en", "snips-en-6x384", "en-micro"} <= sizes.keys()
    assert sizes["snips-en"] <= 4.6e6
    assert sizes["snips-en-binary"] <= 3.0e6
    assert sizes["snips-en-dyna"] <= 4.6e6
    assert sizes["en-small"] <= 6.0e6
    assert sizes["atis-en"] <= 4.6e6
