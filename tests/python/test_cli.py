"""The command line `sottovoce`: in this process, and as users and pipes run it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

import sottovoce as sv
from sottovoce.cli import main

TEXT = "play some jazz by miles davis"
REPOSITORY = Path(__file__).resolve().parents[2]
RECORDINGS = sorted((REPOSITORY / "demos" / "audio").glob("*.wav"))
LAUNCH = "import sys; from sottovoce.cli import main; sys.exit(main())"
BUNDLED = ["atis-en", "en-micro", "en-small", "snips-en", "snips-en-6x384", "snips-en-binary", "snips-en-dyna"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must succeed in silence, and return what it printed."""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def launch(*arguments: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", LAUNCH, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120, **options)


def check_parse(document: dict[str, Any], num_intents: int = 1) -> None:
    assert set(document) >= {"text", "intent", "intents", "slots", "out_of_scope"}
    assert set(document["intent"]) == {"name", "score"}
    assert document["intent"] == document["intents"][0]
    assert len(document["intents"]) == num_intents
    for scored in (*document["intents"], *document["slots"]):
        assert 0 <= scored["score"] <= 1
    for slot in document["slots"]:
        assert set(slot) - {"resolved"} == {"name", "value", "start", "end", "score"}
        assert document["text"][slot["start"] : slot["end"]] == slot["value"] != ""


# ---- parse ----


def test_parse_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = sv.IntentParser.from_pretrained("snips-en").parse(TEXT)
    lines = run(capsys, "parse", TEXT).splitlines()
    assert lines[0].split()[:2] == ["intent", wanted.intent.name]
    slots = [line.split()[1] for line in lines if line.startswith("slot")]
    assert slots == [slot.name for slot in wanted.slots] != []


def test_parse_json(capsys: pytest.CaptureFixture[str]) -> None:
    output = run(capsys, "parse", TEXT, "--json")
    assert output.count("\n") == 1
    document = json.loads(output)
    check_parse(document)
    assert document == json.loads(json.dumps(sv.IntentParser.from_pretrained("snips-en").parse(TEXT).to_dict()))


def test_parse_top_k(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(run(capsys, "parse", TEXT, "--json", "--top-k", "3"))
    check_parse(document, num_intents=3)
    scores = [intent["score"] for intent in document["intents"]]
    assert scores == sorted(scores, reverse=True)


def test_parse_standard_input() -> None:
    lines = [TEXT.encode(), b"", "wetter in Köln 🌧\r".encode(), b"play \xff\xfe jazz", b"no newline at the end"]
    done = launch("parse", "--top-k", "2", stdin=b"\n".join(lines))
    assert done.returncode == 0
    assert done.stderr == b""
    documents = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    assert len(documents) == len(lines)
    for document in documents:
        check_parse(document, num_intents=2)
    assert [document["text"] for document in documents[:3]] == [TEXT, "", "wetter in Köln 🌧"]
    assert documents[3]["text"].encode("utf-8", "surrogateescape") == lines[3]
    assert "warnings" in documents[3]
    assert "warnings" not in documents[0]


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are not bytes there")
def test_parse_an_argument_of_bad_bytes() -> None:
    command = [os.fsencode(sys.executable), b"-c", LAUNCH.encode(), b"parse", b"play \xff jazz"]
    for options in ([], [b"--json"]):
        done = subprocess.run([*command, *options], capture_output=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"UTF-8" in done.stdout


def test_parse_into_a_closed_pipe() -> None:
    command = [sys.executable, "-c", LAUNCH, "parse"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin and process.stdout and process.stderr
    with process:
        process.stdin.write(f"{TEXT}\n".encode())
        process.stdin.flush()
        check_parse(json.loads(process.stdout.readline()))  # as `head -1` does
        process.stdout.close()
        process.stdin.write(f"{TEXT}\n".encode() * 3)
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


# ---- info, models, bench ----


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    by_name = run(capsys, "info", "snips-en")
    assert "bert-intent-slot" in by_name
    assert "tokenizer.vocab" in by_name
    path = sv.models.bundled()["snips-en"]
    assert run(capsys, "info", path) == by_name
    verified = run(capsys, "info", path, "--verify").splitlines()
    assert "SHA-256 verified" in verified[0]
    assert verified[1:] == by_name.splitlines()[1:]


def test_info_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(run(capsys, "info", "snips-en", "--json", "--verify"))
    assert document["verified"] is True
    assert document["bytes"] == os.path.getsize(document["file"])
    assert document["metadata"]["general.architecture"] == "bert-intent-slot"
    assert [tensor["name"] for tensor in document["tensors"]] == document["metadata"]["sottovoce.tensor_names"]
    assert sum(tensor["bytes"] for tensor in document["tensors"]) < document["bytes"]


def test_info_verify_finds_another_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.gguf"
    content = bytearray(Path(sv.models.bundled()["snips-en"]).read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert_mistake(capsys, "broken.gguf", "info", str(path), "--verify")


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "models").splitlines()
    assert [line.split()[0] for line in lines] == [*BUNDLED, "coffee-en"]
    for line in lines:
        assert " MB " in line


def test_bench(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(run(capsys, "bench", "nlu", "--json", "--runs", "3"))
    assert document["threads"] == 1
    assert [row["pieces"] for row in document["rows"]] == [8, 16, 32]
    for row in document["rows"]:
        assert 0 < row["median_us"] <= row["p95_us"]
    assert document["isa"] in run(capsys, "bench", "nlu", "--runs", "3")


def test_bench_asr(capsys: pytest.CaptureFixture[str]) -> None:
    audio = str(RECORDINGS[0])
    document = json.loads(run(capsys, "bench", "asr", "--json", "--runs", "2", "--audio", audio))
    assert document["threads"] == 1 and document["audio_seconds"] > 1
    assert 0 < document["real_time_factor_cpu"] < 1 and 0 < document["chunk_median_ms"] <= document["chunk_p95_ms"]
    assert "real-time factor" in run(capsys, "bench", "asr", "--runs", "1")


# ---- speech ----


def test_there_are_recordings() -> None:
    assert RECORDINGS
    for recording in RECORDINGS:
        assert recording.with_suffix(".txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_transcribe(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "transcribe", str(recording))
    document = json.loads(run(capsys, "transcribe", str(recording), "--json"))
    assert document["text"] == text.rstrip("\n") != ""
    assert " ".join(word["text"] for word in document["words"]) == document["text"]
    with wave.open(str(recording)) as file:
        seconds = file.getnframes() / file.getframerate()
    last = 0.0
    for word in document["words"]:
        assert set(word) == {"text", "start", "end", "confidence"}
        assert last <= word["start"] <= word["end"] <= seconds + 1
        assert 0 <= word["confidence"] <= 1
        last = word["start"]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_understand(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(run(capsys, "understand", str(recording), "--json"))
    check_parse(document)
    assert document["text"] == run(capsys, "transcribe", str(recording)).rstrip("\n")
    assert len(document["words"]) == len(document["text"].split())
    lines = run(capsys, "understand", str(recording)).splitlines()
    assert lines[0].split(maxsplit=1) == ["transcript", document["text"]]
    assert lines[1].split()[:2] == ["intent", document["intent"]["name"]]
    assert sum(line.startswith("slot") for line in lines) == len(document["slots"])


# ---- mistakes ----


def assert_mistake(capsys: pytest.CaptureFixture[str], named: str, *arguments: str) -> None:
    """A user's mistake: one line, which names the thing, and status 2."""
    try:
        status = main(arguments)
    except SystemExit as stop:  # argparse
        assert isinstance(stop.code, int)
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.endswith("\n")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("sottovoce")
    assert named in captured.err


@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        ("absent.gguf", ["parse", TEXT, "--model", "absent.gguf"]),
        ("no-such-model", ["parse", TEXT, "--model", "no-such-model"]),
        ("is a directory", ["parse", TEXT, "--model", os.curdir]),
        ("--top-k", ["parse", TEXT, "--top-k", "0"]),
        ("--top-k", ["parse", TEXT, "--top-k", "many"]),
        ("conv-transformer-transducer", ["parse", TEXT, "--model", "en-micro"]),
        ("absent.gguf", ["info", "absent.gguf"]),
        ("FILE", ["info"]),
        ("absent.wav", ["transcribe", "absent.wav"]),
        ("absent.wav", ["understand", "absent.wav"]),
        (os.sep, ["transcribe", os.sep]),
        ("bert-intent-slot", ["transcribe", str(RECORDINGS[0]), "--model", "snips-en"]),
        ("conv-transformer-transducer", ["understand", str(RECORDINGS[0]), "--model", "en-micro"]),
        ("test_cli.py", ["transcribe", __file__]),
        ("test_cli.py", ["info", __file__]),
        ("--runs", ["bench", "nlu", "--runs", "-1"]),
        ("sing", ["sing"]),
        ("COMMAND", []),
    ],
)
def test_mistakes(named: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert_mistake(capsys, named, *arguments)


def test_a_mistake_leaves_no_traceback() -> None:
    done = launch("parse", TEXT, "--model", "absent.gguf")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"absent.gguf" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want file names to be text")
def test_a_file_name_of_bad_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.wav"
    for content in (None, b"no WAV"):
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        for command in (b"transcribe", b"info"):
            arguments = [os.fsencode(sys.executable), b"-c", LAUNCH.encode(), command, path]
            done = subprocess.run(arguments, capture_output=True, timeout=120)
            assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
            assert b".wav" in done.stderr


@pytest.mark.parametrize("command", ["", "understand", "transcribe", "parse", "info", "models", "bench", "bench nlu"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"usage: sottovoce {command}".rstrip())
    assert captured.err == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"sottovoce {sv.__version__}\n"


# ---- cost ----


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory() -> None:
    # Not ru_maxrss: a child inherits that of the process which forked it.
    def peak_kilobytes(code: str) -> float:
        report = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
        code = f"import numpy\n{code}\n{report}"
        outputs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(3)]
        return statistics.median(int(output.stdout.split()[-1]) for output in outputs)

    parse = peak_kilobytes(f"from sottovoce.cli import main\nmain(['parse', {TEXT!r}])")
    assert parse - peak_kilobytes("") <= 15_000


def test_import_is_light() -> None:
    code = "import sys, numpy; before = set(sys.modules); import sottovoce; print(*(set(sys.modules) - before))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert not {"argparse", "dataclasses", "json", "numpy.typing", "pathlib"} & set(output.split())
