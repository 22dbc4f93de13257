"""Latency of `parser.parse` against ONNX Runtime running the same network, interleaved, in one process.

    python benchmarks/nlu_against_onnxruntime.py --model snips-en [--threads 1] [--runs 300]

With --threads N > 1 ONNX Runtime computes one utterance with N threads (ours with one), and then throughput is measured: N
callers share one parser or one session, whose own threads are then one a caller.

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
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def throughput(calls: dict[str, Callable[[], object]], callers: int, windows: int, seconds: float) -> dict[str, float]:
    """Return the median calls a second of `callers` threads that share each model, the models taking turns."""
    rates: dict[str, list[float]] = {name: [] for name in calls}

    def window(call: Callable[[], object]) -> float:
        counts = [0] * callers
        started = time.perf_counter()

        def work(caller: int) -> None:
            while time.perf_counter() - started < seconds:
                call()
                counts[caller] += 1

        workers = [threading.Thread(target=work, args=(caller,)) for caller in range(callers)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(counts) / (time.perf_counter() - started)

    for _ in range(windows):
        for name, call in calls.items():
            rates[name].append(window(call))
    return {name: statistics.median(values) for name, values in rates.items()}


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
    rows: list[dict[str, Any]] = []
    throughputs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory:
        paths = onnx_bert.write_models(artifact, Path(directory))
        sizes = {name: path.stat().st_size / 1e6 for name, path in paths.items()}
        sessions = {name: open_session(path, options.threads) for name, path in paths.items()}

        def run(session: onnxruntime.InferenceSession, text: str) -> list[np.ndarray]:
            ids = np.array([parser.tokenizer.encode(text).ids], np.int32)
            return session.run(None, {"ids": ids, "types": np.zeros_like(ids)})

        serial = sessions
        if options.threads > 1:
            serial = {name: open_session(path, 1) for name, path in paths.items()}

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
            if options.threads > 1:
                shared = {"sottovoce": calls["sottovoce"]}
                for name, session in serial.items():
                    shared[name] = lambda session=session, feed=feed: session.run(None, feed)
                rates = throughput(shared, options.threads, windows=max(3, options.runs // 30), seconds=0.2)
                best = {t: max(v for n, v in rates.items() if f" {t}," in n) for t in ("int8", "fp32")}
                ratios = {t: rates["sottovoce"] / value for t, value in best.items()}
                throughputs.append({"pieces": ids.shape[1], "per_second": rates, "speedup": ratios})

    report = {
        "cpu": cpu_name(), "isa": _native.active_isa(), "onnxruntime": onnxruntime.__version__, "model": options.model,
        "our_MB": artifact.stat().st_size / 1e6, "their_MB": sizes, "their_threads": options.threads,
        "same_intent": same, "rows": rows, "throughput": throughputs,
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
    for row in throughputs:
        print(f"{row['pieces']} pieces, {options.threads} callers of one model:")
        for name, value in row["per_second"].items():
            print(f"  {name:36} {value:9.1f} utterances a second")
        print(
            f"  more than the best int8 {row['speedup']['int8']:.2f}x, than the best fp32 {row['speedup']['fp32']:.2f}x"
        )


if __name__ == "__main__":
    main()
