"""`sottovoce transcribe`, `understand` and `listen`: files, subtitles, phrases, a terminal, the end by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from virtual_microphone import DEVICE, play

import sottovoce as sv
from sottovoce.audio import read_wav, resample
from sottovoce.cli import main
from sottovoce.cli.listen import Screen, meter
from sottovoce.cli.listener import read_phrases
from sottovoce.cli.subtitles import to_srt, to_vtt
from sottovoce.events import Word
from sottovoce.export.train.assistant.bundle import write_bundle

AUDIO = Path(__file__).resolve().parents[2] / "demos" / "audio"
BOOK, JAZZ = AUDIO / "rate_book.wav", AUDIO / "play_jazz.wav"
SAID = "rate this book five out of six stars"
LAUNCH = [sys.executable, "-c", "import sys; from sottovoce.cli import main; sys.exit(main())"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def mistake(capsys: pytest.CaptureFixture[str], wanted: str, *arguments: str) -> None:
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    captured = capsys.readouterr()
    assert status == 2 and captured.out == "" and captured.err.count("\n") == 1
    assert wanted in captured.err


# ---- transcribe ----


def test_several_files_of_several_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoken, rate = read_wav(BOOK)
    flac = tmp_path / "high.flac"
    soundfile.write(flac, resample(spoken, rate, 44100), 44100)
    files = [str(BOOK), str(flac)]
    assert run(capsys, "transcribe", *files) == "".join(f"{file}\t{SAID}\n" for file in files)
    documents = [json.loads(line) for line in run(capsys, "transcribe", *files, "--json").splitlines()]
    assert [document["file"] for document in documents] == files
    assert all(document["text"] == SAID and len(document["words"]) == 8 for document in documents)
    out = tmp_path / "out"
    assert run(capsys, "transcribe", *files, "--vtt", "--output-dir", str(out)) == ""
    assert sorted(path.name for path in out.iterdir()) == ["high.vtt", "rate_book.vtt"]
    assert (out / "high.vtt").read_text().startswith("WEBVTT\n\n00:00:0")


def test_subtitles(capsys: pytest.CaptureFixture[str]) -> None:
    number, times, text = run(capsys, "transcribe", str(BOOK), "--srt").splitlines()
    start, end = times.split(" --> ")
    assert (number, text) == ("1", SAID) and "00:00:00," < start < end < "00:00:04,"
    words = [
        Word(f"w{n}", n * 0.5 + (3600 if n >= 20 else 0), n * 0.5 + 0.4 + (3600 if n >= 20 else 0), 1.0)
        for n in range(22)
    ]
    assert to_srt(words).split("\n\n")[-1] == "3\n01:00:10,000 --> 01:00:10,900\nw20 w21\n"
    assert "00:00:06.000 --> " in to_vtt(words)
    long = [Word("supercalifragilistic", n * 0.1, n * 0.1 + 0.1, 1.0) for n in range(5)]
    (first, second) = to_srt(long).strip().split("\n\n")
    assert first.splitlines()[2:] == ["supercalifragilistic supercalifragilistic"] * 2 and "2\n" in second
    assert to_srt([]) == "" and to_vtt([]) == "WEBVTT\n"


def test_a_bad_file_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", str(tmp_path / "none.wav"), str(BOOK)]) == 2
    captured = capsys.readouterr()
    assert captured.out == f"{BOOK}\t{SAID}\n" and captured.err.count("\n") == 1 and "none.wav" in captured.err


def test_phrases_and_beam(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("# artists\nMiles Davis\t3\n\njazz\n", encoding="utf-8-sig")
    assert read_phrases(phrases) == [("Miles Davis", 3.0), "jazz"]
    assert "miles davis" in run(capsys, "transcribe", str(JAZZ), "--beam", "4", "--bias", str(phrases))
    assert "miles davis" not in run(capsys, "transcribe", str(JAZZ), "--beam", "4")
    phrases.write_text("jazz\tloud\n")
    mistake(capsys, "line 1: boost: wanted a number, found 'loud'", "transcribe", str(JAZZ), "--bias", str(phrases))
    phrases.write_text("gate 7\n")
    mistake(capsys, "phrase 'gate 7': wanted", "transcribe", str(JAZZ), "--bias", str(phrases))
    phrases.write_bytes(b"\xff\n")
    mistake(capsys, "wanted UTF-8", "transcribe", str(JAZZ), "--bias", str(phrases))
    mistake(capsys, "absent: no such file", "transcribe", str(JAZZ), "--bias", "absent")
    mistake(capsys, "beam", "transcribe", str(JAZZ), "--beam", "65")
    mistake(capsys, "not allowed with", "transcribe", str(JAZZ), "--srt", "--vtt")
    mistake(capsys, "give --output-dir", "transcribe", str(JAZZ), str(BOOK), "--srt")
    mistake(capsys, "another file would", "transcribe", str(JAZZ), str(JAZZ), "--output-dir", str(tmp_path))
    mistake(capsys, "--output-dir", "transcribe", str(JAZZ), "--output-dir", str(phrases))


# ---- understand ----


def test_understand_with_an_assistant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = sv.models.bundled()
    slots = {"object_type": {"values": ["novel"], "synonyms": {"book": "novel"}}}
    write_bundle(
        tmp_path / "a", name="a", recognizer=Path(known["en-micro"]), parser=Path(known["snips-en"]), slots=slots
    )
    output = run(capsys, "understand", str(BOOK), "--assistant", str(tmp_path / "a"))
    assert "object_type = 'novel'" in output and "(heard 'book')" in output and "rating_value = 'five'" in output
    document = json.loads(run(capsys, "understand", str(BOOK), "--assistant", str(tmp_path / "a"), "--json"))
    assert "novel" in [slot["resolved"] for slot in document["slots"]]
    mistake(capsys, "no --recognizer", "understand", str(BOOK), "--assistant", "a", "--model", "snips-en")
    mistake(capsys, "bundled assistants are", "understand", str(BOOK), "--assistant", "absent")


# ---- listen ----


def test_listen_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "listen", "--file", str(BOOK), "--fast").splitlines() == [SAID]
    lines = run(capsys, "listen", "--file", str(BOOK), "--fast", "--parser", "snips-en").splitlines()
    assert lines[0] == SAID and lines[1].split()[:2] == ["intent", "RateBook"]
    lines = run(capsys, "listen", "--file", str(BOOK), "--fast", "--parser", "snips-en", "--json").splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["kind"] for event in events][-2:] == ["final", "intent"] and events[0]["kind"] == "partial"
    mistake(capsys, "no --model", "listen", "--assistant", "a", "--model", "en-micro")
    mistake(capsys, "endpoint", "listen", "--file", str(BOOK), "--endpoint-silence", "-1")


def test_the_screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert meter(np.zeros(0, np.float32)) == meter(np.zeros(9, np.float32)) == "▁"
    assert meter(np.full(9, 0.03, np.float32)) == "▄" and meter(np.ones(9, np.float32)) == "█"
    screen = Screen()
    screen.hear(np.ones(9, np.float32))
    screen.show(sv.PartialEvent("rate this book five out of", ()))
    shown = capsys.readouterr().out.rsplit("\r\033[K", 1)[1]
    assert shown == "█ …ook five out of"
    screen.show(sv.FinalEvent("rate it", (), 1.0, 0.0, 1.0, ()))
    assert capsys.readouterr().out == "\r\033[Krate it\n\r\033[K█ "
    screen.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_terminal_shows_partials_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    import pty

    endless = tmp_path / "endless.wav"
    spoken, rate = read_wav(BOOK)
    with wave.open(str(endless), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.concatenate([spoken, np.zeros(rate * 60, np.float32)]) * 32767).astype("<i2").tobytes())
    main_end, child_end = pty.openpty()
    process = subprocess.Popen(
        [*LAUNCH, "listen", "--file", str(endless)], stdin=child_end, stdout=child_end, stderr=subprocess.PIPE
    )
    os.close(child_end)
    shown = b""
    while f"{SAID}\r\n".encode() not in shown:
        shown += os.read(main_end, 1000)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert process.stderr is not None and process.stderr.read() == b""
    process.stderr.close()
    os.close(main_end)
    text = shown.decode()
    assert " rate this\r" in text and any(level in text for level in "▃▄▅▆▇")


def test_listen_to_a_virtual_microphone(pulse: None) -> None:
    listed = subprocess.run([*LAUNCH, "listen", "--list-devices"], capture_output=True, timeout=60, text=True)
    assert listed.returncode == 0 and DEVICE in listed.stdout and " Hz)" in listed.stdout
    command = [*LAUNCH, "listen", "--device", DEVICE, "--model", "en-micro", "--parser", "snips-en"]
    command += ["--endpoint-silence", "0.6"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    with process:
        while "listening to pulse" not in process.stderr.readline():
            assert process.poll() is None
        player = play(BOOK)
        assert process.stdout.readline() == SAID + "\n"
        assert process.stdout.readline().split()[:2] == ["intent", "RateBook"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    assert player.wait(10) == 0


def test_listen_without_the_package(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    mistake(capsys, "pip install 'sottovoce[mic]'", "listen")
    mistake(capsys, "pip install 'sottovoce[mic]'", "listen", "--list-devices")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_terminal_shows_progress_and_a_pipe_gets_text_alone() -> None:
    import pty

    main_end, child_end = pty.openpty()
    command = [*LAUNCH, "transcribe", str(BOOK), str(JAZZ)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child_end, env={**os.environ, "TERM": "xterm"})
    os.close(child_end)
    shown = b""
    with process:
        while b"play_jazz.wav" not in shown:
            shown += os.read(main_end, 1000)
        assert process.stdout is not None
        lines = process.stdout.read().decode().splitlines()
    os.close(main_end)
    assert process.returncode == 0 and b"1/2" in shown
    assert [line.split("\t")[0] for line in lines] == [str(BOOK), str(JAZZ)] and lines[0].endswith(SAID)
