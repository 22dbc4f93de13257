"""`sottovoce bench nlu` and `bench asr`: how fast this machine parses and recognizes."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from sottovoce.cli.arguments import positive_int
from sottovoce.cli.listener import DEFAULT_RECOGNIZER
from sottovoce.cli.parse import DEFAULT_MODEL

if TYPE_CHECKING:
    from sottovoce.audio import FloatArray
    from sottovoce.intent_parser import IntentParser
    from sottovoce.recognizer import Recognizer

CHUNK_SECONDS = 0.08
MEASURED_STREAMS = 32  # for the memory of one

_WORDS = "play some jazz by miles davis in the kitchen and then add it to my list for friday night please".split()


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench`."""
    bench = commands.add_parser("bench", help="measure speed on this machine", description="Measure speed.")
    kinds = bench.add_subparsers(dest="kind", required=True, metavar="KIND")
    nlu = kinds.add_parser(
        "nlu", help="parser.parse, one thread", description="Print the latency of IntentParser.parse, one thread."
    )
    nlu.add_argument("--model", default=DEFAULT_MODEL, help="bundled name or file (default: %(default)s)")
    nlu.add_argument("--width", type=float, default=1.0, help="share of heads and neurons of an adaptive model")
    nlu.add_argument("--depth", type=float, default=1.0, help="share of layers of an adaptive model")
    nlu.add_argument("--runs", type=positive_int, default=500, metavar="N", help="calls per length (default: 500)")
    nlu.add_argument("--json", action="store_true", help="print one JSON object")
    nlu.set_defaults(run=run)
    asr = kinds.add_parser(
        "asr",
        help="streaming recognition, 80 ms at a time, one thread",
        description="Print the real-time factor of streaming recognition 80 ms at a time on one thread, the latency of a "
        "chunk, that of the end, and the memory of a further stream.",
    )
    asr.add_argument("--model", default=DEFAULT_RECOGNIZER, help="bundled name or file (default: %(default)s)")
    asr.add_argument(
        "--audio", metavar="WAV", help="what is heard, 16 kHz (default: ten seconds of noise, without words)"
    )
    asr.add_argument("--runs", type=positive_int, default=10, metavar="N", help="times it is heard (default: 10)")
    asr.add_argument("--json", action="store_true", help="print one JSON object")
    asr.set_defaults(run=run_asr)


def run(options: argparse.Namespace) -> int:
    """Measure utterances of 8, 16 and 32 pieces."""
    from sottovoce import _native
    from sottovoce.intent_parser import IntentParser

    parser = IntentParser.from_pretrained(options.model, width=options.width, depth=options.depth)
    rows = []
    for pieces in (8, 16, 32):
        text = utterance_of(parser, pieces)
        for _ in range(10):
            parser.parse(text)
        times = []
        for _ in range(options.runs):
            start = time.perf_counter_ns()
            parser.parse(text)
            times.append((time.perf_counter_ns() - start) / 1e3)
        times.sort()
        median, p95 = times[len(times) // 2], times[min(len(times) - 1, len(times) * 95 // 100)]
        rows.append({"pieces": pieces, "median_us": round(median, 1), "p95_us": round(p95, 1)})
    if options.json:
        shares = {"width": options.width, "depth": options.depth}
        print(json.dumps({"model": options.model, **shares, "isa": _native.active_isa(), "threads": 1, "rows": rows}))
        return 0
    part = "" if (options.width, options.depth) == (1, 1) else f", width {options.width:g}, depth {options.depth:g}"
    print(f"{options.model}{part}, {_native.active_isa()}, one thread, {options.runs} calls a row")
    for row in rows:
        print(f"  {row['pieces']:3} pieces   median {row['median_us']:8.1f} us   95 % {row['p95_us']:8.1f} us")
    return 0


def run_asr(options: argparse.Namespace) -> int:
    """Stream the audio `runs` times."""
    from sottovoce import _native
    from sottovoce.recognizer import Recognizer, load_audio

    recognizer = Recognizer.from_pretrained(options.model)
    rate = recognizer.sample_rate
    samples = (np.random.default_rng(0).standard_normal(10 * rate) * 0.05).astype(np.float32)
    if options.audio:
        samples, _ = load_audio(options.audio, rate, rate)
    seconds = len(samples) / rate
    stream_bytes = _stream_bytes(recognizer, samples)
    wall, cpu, chunks, ends = [], [], [], []
    for run in range(options.runs + 1):
        stream = recognizer.stream(beam=1)
        times = []
        wall_start, cpu_start = time.perf_counter_ns(), time.thread_time_ns()
        for chunk in _chunks(samples, rate):
            start = time.perf_counter_ns()
            stream.accept_waveform(chunk)
            times.append((time.perf_counter_ns() - start) / 1e6)
        end = time.perf_counter_ns()
        stream.finish()
        if run > 0:  # the first warms up
            ends.append((time.perf_counter_ns() - end) / 1e6)
            wall.append((time.perf_counter_ns() - wall_start) / 1e9 / seconds)
            cpu.append((time.thread_time_ns() - cpu_start) / 1e9 / seconds)
            chunks += times
    chunks.sort()
    report = {
        "model": options.model,
        "isa": _native.active_isa(),
        "threads": 1,
        "audio_seconds": round(seconds, 2),
        "real_time_factor": round(statistics.median(wall), 5),
        "real_time_factor_cpu": round(statistics.median(cpu), 5),
        "chunk_median_ms": round(chunks[len(chunks) // 2], 3),
        "chunk_p95_ms": round(chunks[min(len(chunks) - 1, len(chunks) * 95 // 100)], 3),
        "finish_median_ms": round(statistics.median(ends), 3),
        "stream_MB": None if stream_bytes is None else round(stream_bytes / 1e6, 3),
    }
    if options.json:
        print(json.dumps(report))
        return 0
    print(
        f"{options.model}, {report['isa']}, one thread, {seconds:.1f} s of audio {options.runs} times, 80 ms at a time"
    )
    print(f"  real-time factor {report['real_time_factor']:.4f} (CPU time alone {report['real_time_factor_cpu']:.4f})")
    print(f"  a chunk    median {report['chunk_median_ms']:.3f} ms   95 % {report['chunk_p95_ms']:.3f} ms")
    print(f"  the end    median {report['finish_median_ms']:.3f} ms")
    if stream_bytes is not None:
        print(f"  one more stream {stream_bytes / 1e6:.2f} MB")
    return 0


def _chunks(samples: FloatArray, rate: int) -> list[FloatArray]:
    size = round(CHUNK_SECONDS * rate)
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def _stream_bytes(recognizer: Recognizer, samples: FloatArray) -> float | None:
    """Return the memory of a further stream in use, averaged over many; None where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None

    def resident() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    streams = [recognizer.stream(beam=1) for _ in range(2)]
    for stream in streams:  # what all streams share is there now
        stream.accept_waveform(samples[: recognizer.sample_rate])
    before = resident()
    more = [recognizer.stream(beam=1) for _ in range(MEASURED_STREAMS)]
    for stream in more:
        stream.accept_waveform(samples[: recognizer.sample_rate])
    return (resident() - before) / MEASURED_STREAMS


def utterance_of(parser: IntentParser, pieces: int) -> str:
    """Return an utterance that the parser's tokenizer cuts into this many pieces, [CLS] and [SEP] included."""
    text, position = "", 0
    while len(parser.tokenizer.encode(text).ids) < pieces:
        text = f"{text} {_WORDS[position % len(_WORDS)]}".strip()
        position += 1
    while len(parser.tokenizer.encode(text).ids) > pieces:
        text = text[:-1].rstrip()
    return text
