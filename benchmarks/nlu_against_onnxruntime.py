"""Latency of `parser.parse` against ONNX Runtime running the same network, interleaved, in one process.

    python benchmarks/nlu_against_onnxruntime.py --model snips-en [--threads 1] [--runs 300]

Ours is timed whole: text in, tokenizer, network, softmax, slots as Python objects. ONNX Runtime is timed on its network alone,
with the ids ready. Warm and cold (192 MB written between calls). Prints the medians, the ratio to the best int8 and the best
fp32 setting of ONNX Runtime, and how many of the checked utterances get the same intent and slot tags.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_bert
import onnxruntime

import sottovoce as sv
from sottovoce import _native
from sottovoce.cli.bench import utterance_of
from sottovoce.models import resolve

_TEXTS = (
    "play some jazz by miles davis",
    "book a table for four at a diner in boston",
    "what will the weather be in paris tomorrow",
    "add this song to my workout playlist",
    "rate the current book five stars",
    "find the movie schedule at the nearest cinema",
)


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Return a session with all optimizations and exactly `threads` threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def cpu_name() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def measure(calls: dict[str, Callable[[], object]], runs: int, cold: bool) -> dict[str, float]:
    """Return the median microseconds of each call, all calls taking turns."""
    flush = np.zeros(192 * 1024 * 1024 // 8)
    times: dict[str, list[int]] = {name: [] for name in calls}
    for name in list(calls) * 5:
        calls[name]()
    for run in range(runs):
        for name, call in calls.items():
            if cold:
                flush.fill(run)
            else:
                call()  # what ran before this call was another engine: its first call would be half cold
            start = time.perf_counter_ns()
            call()
            times[name].append(time.perf_counter_ns() - start)
    return {name: statistics.median(values) / 1e3 for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="snips-en")
    arguments.add_argument("--pieces", type=int, nargs="+", default=[8, 16, 32])
    arguments.add_argument("--threads", type=int, default=1, help="of ONNX Runtime; ours uses one")
    arguments.add_argument("--runs", type=int, default=300)
    arguments.add_argument("--cold-runs", type=int, default=40)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()

    artifact = Path(resolve(options.model))
    parser = sv.IntentParser.from_pretrained(options.model)
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        paths = onnx_bert.write_models(artifact, Path(directory))
        sizes = {name: path.stat().st_size / 1e6 for name, path in paths.items()}
        sessions = {name: open_session(path, options.threads) for name, path in paths.items()}

        def run(session: onnxruntime.InferenceSession, text: str) -> list[np.ndarray]:
            ids = np.array([parser.tokenizer.encode(text).ids], np.int32)
            return session.run(None, {"ids": ids, "types": np.zeros_like(ids)})

        same = {}
        for name, session in sessions.items():
            agree = [parser.intents[int(run(session, t)[0].argmax())] == parser.parse(t).intent.name for t in _TEXTS]
            same[name] = f"{sum(agree)}/{len(agree)}"

        for pieces in options.pieces:
            text = utterance_of(parser, pieces)
            ids = np.array([parser.tokenizer.encode(text).ids], np.int32)
            feed = {"ids": ids, "types": np.zeros_like(ids)}
            calls: dict[str, Callable[[], object]] = {"sottovoce": lambda text=text: parser.parse(text)}
            for name, session in sessions.items():
                calls[name] = lambda session=session, feed=feed: session.run(None, feed)
            for state, runs in (("warm", options.runs), ("cold", options.cold_runs)):
                medians = measure(calls, runs, state == "cold")
                ours = medians["sottovoce"]
                best = {t: min(v for n, v in medians.items() if f" {t}," in n) for t in ("int8", "fp32")}
                ratios = {t: value / ours for t, value in best.items()}
                rows.append({"pieces": ids.shape[1], "caches": state, "us": medians, "speedup": ratios})

    report = {
        "cpu": cpu_name(), "isa": _native.active_isa(), "onnxruntime": onnxruntime.__version__, "model": options.model,
        "our_MB": artifact.stat().st_size / 1e6, "their_MB": sizes, "their_threads": options.threads,
        "same_intent": same, "rows": rows,
    }  # fmt: skip
    if options.json:
        print(json.dumps(report))
        return
    print(
        f"{report['cpu']}, {report['isa']}; ONNX Runtime {onnxruntime.__version__}, {options.threads} thread(s); ours one"
    )
    print(
        f"{options.model}: {report['our_MB']:.2f} MB; theirs " + ", ".join(f"{n} {s:.1f} MB" for n, s in sizes.items())
    )
    print("same intent: " + ", ".join(f"{name} {share}" for name, share in same.items()))
    for row in rows:
        print(f"{row['pieces']} pieces, {row['caches']}:")
        for name, value in row["us"].items():
            print(f"  {name:36} {value:9.1f} us")
        print(
            f"  faster than the best int8 {row['speedup']['int8']:.2f}x, than the best fp32 {row['speedup']['fp32']:.2f}x"
        )


if __name__ == "__main__":
    main()
