"""Assistants: bundles as folders and single files, broken ones, resolved slots, listening."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sottovoce as sv
from sottovoce import models
from sottovoce.assistant_bundle import open_bundle
from sottovoce.audio import read_wav
from sottovoce.export.train.assistant.bundle import write_bundle, write_single_file
from sottovoce.export.train.assistant.evaluation import runtime_assistant

AUDIO = Path(__file__).parents[2] / "demos" / "audio"
RATE = 16000
SLOTS = {"object_type": {"values": ["novel", "album"], "synonyms": {"book": "novel"}}, "rating_unit": {"values": []}}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assistants") / "music"
    known = models.bundled()
    write_bundle(
        folder,
        name="music",
        recognizer=Path(known["en-micro"]),
        parser=Path(known["snips-en"]),
        biasing=[{"phrase": "Miles Davis", "boost": 3.0}],
        slots=SLOTS,
    )
    return folder


@pytest.fixture(scope="module")
def assistant(bundle: Path) -> sv.Assistant:
    return sv.Assistant.from_pretrained(bundle)


def test_slots_resolve_and_the_parse_keeps_what_was_said(assistant: sv.Assistant) -> None:
    result = assistant.understand(AUDIO / "rate_book.wav")
    assert result.intent.name == "RateBook"
    book = next(slot for slot in result.slots if slot.name == "object_type")
    assert (book.value, book.resolved) == ("book", "novel")
    assert result.text[book.start : book.end] == "book"
    assert next(slot for slot in result.parse.slots if slot.name == "object_type").value == "book"
    assert {slot.name: slot.resolved for slot in result.slots}["rating_unit"] == "stars"  # no values: as heard
    document = json.loads(json.dumps(result.to_dict()))
    assert {"name", "value", "resolved"} < document["slots"][0].keys() and document["words"]


def test_what_eval_assistant_compares_is_resolved(bundle: Path) -> None:
    samples = read_wav(AUDIO / "rate_book.wav")[0]
    _, intent, slots = runtime_assistant(str(bundle))(samples)
    assert intent == "RateBook" and slots["object_type"] == "novel"


def test_the_bundles_phrases_bias_recognition(bundle: Path, assistant: sv.Assistant) -> None:
    assert assistant.name == "music" and assistant.biasing == (("Miles Davis", 3.0),)
    audio = AUDIO / "play_jazz.wav"
    assert "miles davis" in assistant.understand(audio, beam=4).text
    assert "miles davis" not in assistant.understand(audio, beam=4, biasing=()).text
    samples = read_wav(audio)[0]
    assert "miles davis" in runtime_assistant(str(bundle), beam=4)(samples)[0]
    assert "miles davis" not in runtime_assistant(str(bundle), beam=4, biasing=False)(samples)[0]
    with pytest.raises(sv.InvalidInputError, match="beam"):
        assistant.understand(audio, beam=0)


def test_listening_gives_intents_after_finals(assistant: sv.Assistant) -> None:
    silence = np.zeros(RATE * 3 // 2, np.float32)
    first, second = (read_wav(AUDIO / name)[0] for name in ("rate_book.wav", "workout_playlist.wav"))
    samples = np.concatenate([first, silence, second])
    chunks = (samples[at : at + 1280] for at in range(0, len(samples), 1280))
    events = list(assistant.listen(chunks, endpoint_silence=0.6, top_k=2))
    assert [e.kind for e in events if e.kind != "partial"] == ["final", "intent", "endpoint", "final", "intent"]
    intents = [event for event in events if isinstance(event, sv.IntentEvent)]
    assert [event.intent.name for event in intents] == ["RateBook", "AddToPlaylist"]
    assert intents[0].text == "rate this book five out of six stars" and len(intents[0].parse.intents) == 2
    assert intents[0].to_dict()["slots"][1]["resolved"] == "novel"
    assert any(event.kind == "partial" for event in events)
    assert list(assistant.listen([])) == []
    with pytest.raises(TypeError, match="no_such_option"):
        list(assistant.listen([], no_such_option=1))


def test_a_source_that_tells_its_rate_is_believed(assistant: sv.Assistant) -> None:
    class Source(list[Any]):
        sample_rate = 8000

    low = sv.audio.resample(read_wav(AUDIO / "rate_book.wav")[0], RATE, 8000)
    finals = [e for e in assistant.recognizer.listen(Source([low])) if isinstance(e, sv.FinalEvent)]
    assert finals[0].text == assistant.recognizer.transcribe(low, 8000).text
    assert finals[0].end <= len(low) / 8000 + 0.1


def test_one_file_holds_the_same(bundle: Path, assistant: sv.Assistant, tmp_path: Path) -> None:
    size = write_single_file(bundle, tmp_path / "music.zip")
    assert size > sum((bundle / name).stat().st_size for name in ("parser.gguf", "recognizer.gguf"))
    audio = AUDIO / "rate_book.wav"
    assert sv.Assistant.from_pretrained(tmp_path / "music.zip").understand(audio) == assistant.understand(audio)


def test_a_bundled_assistant_opens_by_name(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, assistant: sv.Assistant
) -> None:
    monkeypatch.setattr(models, "_DIRECTORY", str(bundle.parent))
    assert models.bundled_assistants() == {"music": str(bundle)}
    assert sv.Assistant.from_pretrained("music").name == "music"
    with pytest.raises(sv.ModelNotFoundError, match="bundled assistants are music"):
        sv.Assistant.from_pretrained("no-such")


def test_a_model_and_an_assistant_are_told_apart(bundle: Path) -> None:
    with pytest.raises(sv.InvalidInputError, match="is an assistant, wanted one model"):
        sv.Recognizer.from_pretrained(bundle)
    with pytest.raises(sv.DataError, match="wanted an assistant, a folder or a zip"):
        sv.Assistant.from_pretrained(models.bundled()["en-micro"])


BROKEN: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"format": "other"}, sv.UnsupportedError, "format: wanted 'sottovoce-assistant', found \"other\""),
    ({"version": 2}, sv.UnsupportedError, "version: wanted 1, found 2"),
    ({"version": True}, sv.UnsupportedError, "version: wanted 1, found true"),
    ({"name": 3}, sv.DataError, "name: wanted text, found 3"),
    ({"name": None}, sv.DataError, "name: missing"),
    ({"parser": "../parser.gguf"}, sv.DataError, "parser: wanted the name of a file"),
    ({"parser": "a\\b"}, sv.DataError, "parser: wanted the name of a file"),
    ({"parser": "absent.gguf"}, sv.ModelNotFoundError, "absent.gguf"),
    ({"parser": "recognizer.gguf"}, sv.UnsupportedError, "recognizer.gguf"),
    ({"biassing": []}, sv.DataError, "biassing: unknown"),
    ({"beam": 65}, sv.DataError, "beam: wanted 1 to 64, found 65"),
    ({"beam": True}, sv.DataError, "beam: wanted a whole number, found true"),
    ({"biasing": ["tea"]}, sv.DataError, r"biasing\[0\]: wanted .*phrase"),
    ({"biasing": [{"phrase": " ", "boost": 1}]}, sv.DataError, r"biasing\[0\]: phrase: wanted text"),
    ({"biasing": [{"phrase": "tea", "boost": float("nan")}]}, sv.DataError, r"biasing\[0\]: boost: wanted a number"),
    ({"biasing": [{"phrase": "tea", "boost": 101}]}, sv.DataError, "wanted -100 to 100, found 101"),
    ({"slots": {"drink": []}}, sv.DataError, r"slots\.drink: wanted"),
    ({"slots": {"drink": {"values": "tea"}}}, sv.DataError, r"slots\.drink\.values: wanted a list"),
    ({"slots": {"drink": {"synonyms": {"cha": 1}}}}, sv.DataError, r"slots\.drink\.synonyms: wanted an object of"),
]


@pytest.mark.parametrize(("change", "error", "message"), BROKEN)
def test_broken_bundles_are_named(
    bundle: Path, tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(bundle, folder)
    content = json.loads((folder / "assistant.json").read_text()) | change
    content = {key: value for key, value in content.items() if value is not None}
    (folder / "assistant.json").write_text(json.dumps(content))
    with pytest.raises(error, match=message) as caught:
        sv.Assistant.from_pretrained(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff{}", b"[" * 100_000, b'{"a": 1' + b" " * (16 << 20)])
def test_a_manifest_that_is_no_object_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "assistant.json").write_bytes(text)
    with pytest.raises(sv.DataError, match=r"assistant\.json: wanted"):
        open_bundle(tmp_path)
    (tmp_path / "assistant.json").unlink()
    with pytest.raises(sv.ModelNotFoundError, match=r"a folder with assistant\.json, found none"):
        open_bundle(tmp_path)


def test_broken_single_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "music.zip"
    write_single_file(bundle, path)
    data = bytearray(path.read_bytes())
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.zip").write_bytes(data)
    for name in ("cut", "flipped"):
        with pytest.raises(sv.DataError, match=f"{name}.zip: wanted an assistant"):
            open_bundle(tmp_path / f"{name}.zip")
    with zipfile.ZipFile(tmp_path / "small.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(bundle / "assistant.json", "assistant.json")
    with pytest.raises(sv.UnsupportedError, match="wanted it stored, found it compressed"):
        open_bundle(tmp_path / "small.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(sv.ModelNotFoundError, match=r"assistant\.json in it, found none"):
        open_bundle(tmp_path / "empty.zip")
