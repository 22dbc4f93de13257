"""Loops as programs for sherpa-onnx and Vosk have them."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

import sottovoce as sv
from sottovoce.audio import read_wav, resample
from sottovoce.compat import KaldiRecognizer, Model, OnlineRecognizer

AUDIO = Path(__file__).resolve().parents[2] / "demos" / "audio"
SAID = "rate this book five out of six stars"
SPOKEN = read_wav(AUDIO / "rate_book.wav")[0]
TWO = np.concatenate([SPOKEN, np.zeros(24000, np.float32)] * 2)


def test_arguments_in_either_order() -> None:
    recognizer = sv.Recognizer.from_pretrained("en-micro")
    high = resample(SPOKEN, 16000, 48000)
    for arguments in ((high, 48000), (48000, high), (48000.0, high), (np.int64(48000), high), (high, np.int32(48000))):
        stream = recognizer.stream()
        stream.accept_waveform(*arguments)  # type: ignore[arg-type]
        assert stream.finish().text == SAID
    stream = recognizer.stream()
    for wrong in (16000.5, "16000", high):
        with pytest.raises(sv.InvalidInputError, match="sample_rate: wanted a whole number of Hz"):
            stream.accept_waveform(SPOKEN, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("chunk", [1600, 7000, len(TWO)])
def test_the_loop_of_sherpa_onnx(chunk: int) -> None:
    recognizer = OnlineRecognizer.from_pretrained(
        "en-micro", enable_endpoint_detection=True, rule2_min_trailing_silence=0.7
    )
    stream = recognizer.create_stream()
    finals, partials = [], set()
    for at in range(0, len(TWO), chunk):
        stream.accept_waveform(16000, TWO[at : at + chunk])
        while recognizer.is_ready(stream):
            recognizer.decode_streams([stream])
        partials.add(recognizer.get_result(stream))
        if recognizer.is_endpoint(stream):
            finals.append(recognizer.get_result(stream))
            recognizer.reset(stream)
            assert recognizer.get_result(stream) == "" and not recognizer.is_endpoint(stream)
    assert " ".join(finals) == f"{SAID} {SAID}"
    assert chunk > 7000 or (finals == [SAID] * 2 and "rate this" in partials)


def test_sherpa_onnx_without_endpoints_and_with_hotwords() -> None:
    recognizer = OnlineRecognizer.from_pretrained("en-micro")
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, SPOKEN)
    stream.input_finished()  # and no silence before it
    while recognizer.is_ready(stream):
        recognizer.decode_stream(stream)
    assert recognizer.get_result(stream) == SAID and not recognizer.is_endpoint(stream)
    recognizer.decode_stream(stream)  # nothing waits: nothing happens
    beam = OnlineRecognizer.from_pretrained("en-micro", decoding_method="modified_beam_search", hotwords_score=3.0)
    heard = []
    for hotwords in ("", "MILES DAVIS/kitchen", ["miles davis"]):
        stream = beam.create_stream(hotwords)
        stream.accept_waveform(16000, read_wav(AUDIO / "play_jazz.wav")[0])
        stream.input_finished()
        while beam.is_ready(stream):
            beam.decode_stream(stream)
        heard.append("miles davis" in beam.get_result(stream))
    assert heard == [False, True, True]
    with pytest.raises(sv.InvalidInputError, match="decoding_method: wanted"):
        OnlineRecognizer.from_pretrained("en-micro", decoding_method="viterbi")


def test_the_loop_of_vosk() -> None:
    recognizer = KaldiRecognizer(Model(lang="en-us"), 16000)
    recognizer.SetWords(True)
    recognizer.SetPartialWords(True)
    results, partials = [], []
    with wave.open(str(AUDIO / "rate_book.wav")) as file:
        while data := file.readframes(4000):
            if recognizer.AcceptWaveform(data):
                results.append(json.loads(recognizer.Result()))
            else:
                partials.append(json.loads(recognizer.PartialResult()))
    results.append(json.loads(recognizer.FinalResult()))
    assert " ".join(result["text"] for result in results) == SAID
    words = [word for result in results for word in result["result"]]
    assert [word["word"] for word in words] == SAID.split() and set(words[0]) == {"conf", "start", "end", "word"}
    assert any(partial["partial"] and partial["partial_result"] for partial in partials)
    assert json.loads(recognizer.FinalResult()) == {"text": ""}


def test_vosk_hears_utterances_one_after_another() -> None:
    recognizer = KaldiRecognizer(Model("en-micro"), 16000.0)
    texts = []
    for at in range(0, len(TWO), 3200):
        if recognizer.AcceptWaveform(TWO[at : at + 3200]):
            texts.append(json.loads(recognizer.Result())["text"])
    assert " ".join(texts) == f"{SAID} {SAID}" and len(texts) >= 2
    recognizer.AcceptWaveform(SPOKEN)
    recognizer.Reset()
    assert json.loads(recognizer.PartialResult()) == {"partial": ""}
    assert json.loads(recognizer.FinalResult()) == {"text": ""}


def test_vosks_endpoint_is_half_a_second_after_the_last_word() -> None:
    recognizer = KaldiRecognizer(Model("en-micro"), 16000)
    recognizer.SetWords(True)
    chunk, found = 1280, []
    for at in range(0, len(TWO), chunk):
        if recognizer.AcceptWaveform(TWO[at : at + chunk]):
            assert recognizer.AcceptWaveform(TWO[:0])  # until it is asked for
            found.append((json.loads(recognizer.Result())["result"][-1]["end"], (at + chunk) / 16000))
    assert len(found) == 2
    for end, now in found:
        assert 0.5 <= now - end < 1.0  # what the model looks ahead comes on top


def test_one_short_word_ends_by_silence_for_vosk() -> None:
    recognizer = KaldiRecognizer(Model("en-micro"), 16000)
    book = np.concatenate([SPOKEN[11200:16480], np.zeros(16000, np.float32)])
    assert recognizer.AcceptWaveform(book) and json.loads(recognizer.Result()) == {"text": "book"}
    assert not recognizer.AcceptWaveform(np.zeros(16000 * 6, np.float32))  # silence ends nothing


def test_vosks_options() -> None:
    jazz = (read_wav(AUDIO / "play_jazz.wav")[0] * 32767).astype("<i2").tobytes()
    recognizer = KaldiRecognizer(Model(model_name="en-micro"), 16000, '["miles davis", "[unk]"]')
    recognizer.SetMaxAlternatives(4)
    recognizer.AcceptWaveform(jazz)
    found = json.loads(recognizer.FinalResult())["alternatives"]
    assert 1 < len(found) <= 4 and found[0]["confidence"] >= found[1]["confidence"] and found[0]["text"]
    assert json.loads(recognizer.FinalResult())["alternatives"] == [{"confidence": 0.0, "text": ""}]
    for grammar in ("{}", "[1]", "no"):
        with pytest.raises(sv.InvalidInputError, match="grammar: wanted a JSON list of texts"):
            recognizer.SetGrammar(grammar)
    with pytest.raises(sv.InvalidInputError, match="biasing phrase 'gate 7'"):
        KaldiRecognizer(recognizer._recognizer, 16000, '["gate 7", "[unk]"]')
    with pytest.raises(sv.InvalidInputError, match="found 3 bytes"):
        recognizer.AcceptWaveform(b"\0\0\0")
    with pytest.raises(sv.InvalidInputError, match="lang: wanted an English one, found 'de'"):
        Model(lang="de")
    assert sv.compat.KaldiRecognizer is KaldiRecognizer
