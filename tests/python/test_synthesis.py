"""Voices and the spoken corpus. A voice whose package is absent must say which one it wants."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from sottovoce.errors import DataError, InvalidInputError, UnsupportedError
from sottovoce.export import cli
from sottovoce.export.synthesis.kokoro import ENGLISH_VOICES, Kokoro, parse_mixture
from sottovoce.export.synthesis.voices import FESTIVAL_VOICES, Voice, draw_voice, speak
from sottovoce.export.train.asr.manifest import load_audio, read_manifest


def kokoro_folder(folder: Path) -> Path:
    """A network of Kokoro's inputs and output: 2400 x speed samples a token, each (style[0] + token) / 1000."""
    nodes = [
        helper.make_node("Gather", ["style", "zero"], ["first"], axis=1),
        helper.make_node("Cast", ["tokens"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["floats", "first"], ["sums"]),
        helper.make_node("Mul", ["sums", "speed"], ["paced"]),
        helper.make_node("Mul", ["paced", "thousandth"], ["small"]),
        helper.make_node("Reshape", ["small", "flat"], ["column"]),
        helper.make_node("Expand", ["column", "wide"], ["many"]),
        helper.make_node("Reshape", ["many", "line"], ["audio"]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("thousandth", TensorProto.FLOAT, [1], [0.001]),
        helper.make_tensor("flat", TensorProto.INT64, [2], [-1, 1]),
        helper.make_tensor("wide", TensorProto.INT64, [2], [1, 2400]),
        helper.make_tensor("line", TensorProto.INT64, [1], [-1]),
    ]
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
    ]
    outputs = [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["m"])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir()
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "vocab.json").write_text(json.dumps({"vocab": {"a": 7, "b": 9, ".": 4}}), encoding="utf-8")
    (folder / "voices").mkdir()
    for name, level in (("af_heart", 100.0), ("bm_daniel", 300.0)):
        rows = np.full((6, 256), level, np.float32) + np.arange(6, dtype=np.float32)[:, None]
        rows.tofile(folder / "voices" / f"{name}.bin")
    return folder


def test_kokoro_gives_tokens_style_and_speed_to_its_network(tmp_path: Path) -> None:
    kokoro = Kokoro.open(kokoro_folder(tmp_path / "kokoro"))
    plain = kokoro.speak_phonemes("ab?.", "af_heart")  # the ? is unknown: three tokens, so row 3 of the style
    expected = np.repeat(np.array([103, 110, 112, 107, 103]) / 1000, 2400)
    np.testing.assert_allclose(plain, expected, rtol=1e-5)
    mixed = kokoro.speak_phonemes("ab", "af_heart*1+bm_daniel*3", rate=2.0)
    np.testing.assert_allclose(mixed[::2400], 2 * np.array([252, 259, 261, 252]) / 1000, rtol=1e-5)
    with pytest.raises(InvalidInputError, match="1 to 5 phonemes, got 0"):
        kokoro.speak_phonemes("???", "af_heart")
    with pytest.raises(InvalidInputError, match="1 to 5 phonemes, got 6"):
        kokoro.speak_phonemes("ababab", "af_heart")
    with pytest.raises(InvalidInputError, match=r"zf_nobody.*wanted one of af_heart, bm_daniel"):
        kokoro.speak_phonemes("a", "zf_nobody")


def test_kokoro_parts_that_are_missing_or_broken_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOTTOVOCE_KOKORO", raising=False)
    with pytest.raises(DataError, match="no such folder"):
        Kokoro.open(tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UnsupportedError, match="npm pack kokoro-js"):
        Kokoro.open(empty)
    folder = kokoro_folder(tmp_path / "kokoro")
    monkeypatch.setenv("SOTTOVOCE_KOKORO", str(folder))
    assert Kokoro.open().style("bm_daniel").shape == (6, 256)
    (folder / "voices" / "af_heart.bin").write_bytes(b"12345678")
    with pytest.raises(DataError, match=r"af_heart\.bin: wanted float32 rows of 256, found 2 values"):
        Kokoro.open(folder).style("af_heart")
    (folder / "vocab.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"vocab\.json"):
        Kokoro.open(folder)
    (folder / "model.onnx").write_bytes(b"not a model")
    (folder / "vocab.json").write_text('{"vocab": {}}', encoding="utf-8")
    with pytest.raises(DataError, match="kokoro model of 11 bytes"):
        Kokoro.open(folder)


def test_mixtures_are_convex() -> None:
    assert parse_mixture("af_sky") == [("af_sky", 1.0)]
    assert parse_mixture("a*1+b*3") == [("a", 0.25), ("b", 0.75)]
    for name in ("", "a*-1", "a*x", "+", "a*nan"):
        with pytest.raises(InvalidInputError, match="wanted NAME"):
            parse_mixture(name)
    rng = random.Random(1)
    drawn = [draw_voice("kokoro", rng).name for _ in range(400)]
    parts = [parse_mixture(name) for name in drawn]
    assert all(len({voice for voice, _ in part}) == len(part) for part in parts)
    assert 150 < sum(len(part) == 2 for part in parts) < 250
    assert {voice for part in parts for voice, _ in part} > set(ENGLISH_VOICES)


@pytest.mark.parametrize("name", FESTIVAL_VOICES)
def test_festival_speaks_or_says_what_to_install(name: str) -> None:
    package = FESTIVAL_VOICES[name][0]
    try:
        slow = speak(Voice("festival", name, rate=0.9), "(quit) turn on the light")
    except UnsupportedError as error:
        missing = package if shutil.which("text2wave") else "festival"
        assert f"Debian package {missing}" in str(error)
        return
    assert slow.dtype == np.float32 and 1.0 < len(slow) / 16000 < 5.0 and np.abs(slow).max() > 0.05
    assert len(speak(Voice("festival", name, rate=1.2), "(quit) turn on the light")) < len(slow)


def test_a_program_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for engine, package in (("flite", "flite"), ("espeak", "espeak-ng"), ("festival", "festival")):
        voice = Voice(engine, "kal")  # type: ignore[arg-type]
        with pytest.raises(UnsupportedError, match=f"Debian package {package}"):
            speak(voice, "hello")
    with pytest.raises(UnsupportedError, match="Debian package espeak-ng"):
        speak(Voice("kokoro", "af_heart"), "hello", kokoro=kokoro_folder(tmp_path / "kokoro"))
    with pytest.raises(InvalidInputError, match="festival voice 'bob'"):
        speak(Voice("festival", "bob"), "hello")


def test_corpus_is_spoken_once_with_licenses(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("turn on the light\nplay 2 songs\n", encoding="utf-8")
    out = tmp_path / "out"
    command = ["synthesize", "--text", str(tmp_path / "text.txt"), "--out", str(out)]
    command += ["--engine", "flite=1", "--engine", "espeak=1", "--engine", "kokoro=0"]
    assert cli.main(command) == 0
    manifest = out / "manifest.tsv"
    rows = [line.split("\t") for line in manifest.read_text(encoding="utf-8").splitlines()]
    assert sorted(row[4] for row in rows[1:]) == ["play two songs", "turn on the light"]
    licenses = {row[2].partition("-")[0]: row[-1] for row in rows[1:]}
    assert all(("GPL" if engine == "espeak" else "BSD") in text for engine, text in licenses.items())
    names = [entry["name"] for entry in json.loads((out / "attribution.json").read_text(encoding="utf-8"))]
    assert names == ["speech by the voices of espeak", "speech by the voices of flite"]
    utterances = read_manifest(manifest, "train")
    for utterance, samples in zip(utterances, load_audio(utterances), strict=True):
        assert len(samples) / 16000 == pytest.approx(utterance.seconds, abs=1e-3) and samples.std() > 0.005
    stamp = manifest.stat().st_mtime_ns
    assert cli.main(command) == 0
    assert manifest.stat().st_mtime_ns == stamp  # caches of its features stay good
    assert cli.main([*command[:-1], "singer=1"]) == 2
