"""One streaming step of a Conv-Transformer encoder against ONNX Runtime, the same random weights, interleaved, one thread.

    python benchmarks/asr_against_onnxruntime.py [--preset paper] [--runs 200] [--cold-runs 40] [--clock thread] [--json]

A step is 80 ms of audio (40 in `hfr`): feature frames in, one encoder frame out, caches full. ONNX Runtime gets its convolutions
as matrix products, so that they are int8 too (and, as a second form, its float Conv for the 2-D ones), its caches bound as
inputs and outputs without a copy. Before anything is timed our f32 artifact, ONNX Runtime's fp32 model and torch must agree on
several steps; how far the quantized ones stray is printed. Warm: the engine's own call came just before; cold: 192 MB were
written between. Prints medians and ratios to the best int8 of ONNX Runtime. --clock thread counts the CPU time of the thread
that calls, in which both compute.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_encoder
import onnxruntime
import torch
from nlu_against_onnxruntime import cpu_name, open_session

from sottovoce import _native
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.models.transducer import FAMILY_WEIGHTS, Transducer
from sottovoce.export.models.transducer_presets import PRESETS, preset
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec_transducer import transducer_spec
from sottovoce.export.writers.spec_to_gguf import write_spec

Floats = npt.NDArray[np.float32]
CHECKED_STEPS = 4


class OnnxStream:
    """A session whose caches go from one call to the next without leaving ONNX Runtime."""

    def __init__(self, path: Path, caches: dict[str, Floats]) -> None:
        self.session = open_session(path, 1)
        self._arrays: list[Floats] = []  # an OrtValue of the CPU is a view
        self.features = self._value(np.zeros(self.session.get_inputs()[0].shape, np.float32))
        self.encoded = self._value(np.zeros(self.session.get_outputs()[0].shape, np.float32))
        sides = [{name: self._value(value) for name, value in caches.items()} for _ in range(2)]
        self._bindings = []
        for source, target in (sides, sides[::-1]):
            binding = self.session.io_binding()
            binding.bind_ortvalue_input("features", self.features)
            binding.bind_ortvalue_output("encoded", self.encoded)
            for name in caches:
                binding.bind_ortvalue_input(name, source[name])
                binding.bind_ortvalue_output(f"{name}.next", target[name])
            self._bindings.append(binding)
        self._turn = 0

    def _value(self, array: Floats) -> onnxruntime.OrtValue:
        self._arrays.append(array.copy())
        return onnxruntime.OrtValue.ortvalue_from_numpy(self._arrays[-1])

    def step(self, features: Floats) -> Floats:
        """features: (stride, mels) -> (1, dim), a view that the next step overwrites."""
        self.features.update_inplace(features)
        self.session.run_with_iobinding(self._bindings[self._turn])
        self._turn = 1 - self._turn
        encoded: Floats = self.encoded.numpy()
        return encoded


def measure(
    calls: dict[str, Callable[[], object]], runs: int, cold: bool, clock: Callable[[], int]
) -> dict[str, float]:
    """Return the median microseconds of each call, all calls taking turns."""
    flush = np.zeros(192 * 1024 * 1024 // 8)
    times: dict[str, list[int]] = {name: [] for name in calls}
    for run in range(-3, runs):
        for name, call in calls.items():
            if cold:
                flush.fill(run)
            else:
                call()  # what ran before was another engine: its first call would be half cold
            start = clock()
            call()
            times[name].append(clock() - start)
    return {name: statistics.median(values[3:]) / 1e3 for name, values in times.items()}


def random_transducer(name: str) -> Transducer:
    """The encoder of a preset with random weights; predictor and joiner, which are not timed, small."""
    torch.manual_seed(0)
    config = preset(name).model
    predictor = dataclasses.replace(config.predictor, num_layers=1, left_context=(2,))
    config = dataclasses.replace(config, predictor=predictor, joiner_dim=64, vocab_size=8)
    model = Transducer(config).eval()
    for key, parameter in model.named_parameters():
        if key.endswith(("content_bias", "position_bias")):
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def write_ours(model: Transducer, features: str, kind: WeightKind, directory: Path) -> Path:
    """The artifact with weights of that kind."""
    path = directory / f"{kind}.gguf"
    spec = transducer_spec(model, ["<blk>", *"abcdefg"], "char", features)
    write_spec(spec, path, Provenance(name="random", source="benchmark"), FAMILY_WEIGHTS[kind])
    return path


def our_stream(path: Path, features: Floats, heard: int) -> _native.EncoderStream:
    """A stream that has heard the first frames."""
    encoder = _native.TransducerEncoder.open(str(path).encode())
    stream = encoder.stream()
    for at in range(0, heard, encoder.max_frames):
        stream.push(features[at : min(at + encoder.max_frames, heard)])
    return stream


@torch.no_grad()
def compare(name: str, runs: int, cold_runs: int, clock: Callable[[], int], directory: Path) -> dict[str, Any]:
    """Build, check and time everything; returns the report."""
    model = random_transducer(name)
    config = model.config
    steps = max(left for block in config.blocks for left in block.left_context)
    heard = config.stride * steps + config.look_ahead + 1 - config.stride
    chunks = CHECKED_STEPS * config.stride
    rng = np.random.default_rng(0)
    features = rng.standard_normal((heard + chunks + config.look_ahead, config.num_mels)).astype(np.float32)
    wanted = model.encoder(torch.from_numpy(features).unsqueeze(0), torch.tensor([len(features)]))[0][0].numpy()
    wanted = wanted[steps : steps + CHECKED_STEPS]
    caches = onnx_encoder.full_caches(model.encoder, torch.from_numpy(features), steps)

    calls: dict[str, Callable[[Floats], Floats]] = {}
    sizes: dict[str, float] = {}
    for kind in ("f32", "int8", "ternary"):
        path = write_ours(model, preset(name).features, kind, directory)
        sizes[f"sottovoce {kind}"] = path.stat().st_size / 1e6
        calls[f"sottovoce {kind}"] = our_stream(path, features, heard).push
    paths, shapes = onnx_encoder.write_models(model.encoder, directory)
    assert shapes == {key: value.shape for key, value in caches.items()}
    for title, path in paths.items():
        sizes[title] = path.stat().st_size / 1e6
        calls[title] = OnnxStream(path, caches).step

    strays = {}
    for title, call in calls.items():
        parts = [call(features[at : at + config.stride]).copy() for at in range(heard, heard + chunks, config.stride)]
        strays[title] = float(np.abs(np.concatenate(parts) - wanted).max() / np.abs(wanted).max())
        if ("f32" in title or "fp32" in title) and strays[title] > 1e-4:
            raise SystemExit(f"{title} strays from torch by {strays[title]:.2g} of the largest output, wanted 1e-4")

    chunk = features[heard : heard + config.stride]
    timed = {title: (lambda call=call: call(chunk)) for title, call in calls.items()}
    rows = []
    for state, count in (("warm", runs), ("cold", cold_runs)):
        medians = measure(timed, count, state == "cold", clock)
        best = min(value for title, value in medians.items() if "ONNX Runtime int8" in title)
        ratios = {kind: best / medians[f"sottovoce {kind}"] for kind in ("int8", "ternary")}
        rows.append({"caches": state, "us": medians, "speedup": ratios})
    parameters = sum(parameter.numel() for parameter in model.encoder.parameters())
    return {
        "cpu": cpu_name(), "isa": _native.active_isa(), "onnxruntime": onnxruntime.__version__, "preset": name,
        "parameters": parameters, "step_ms": 10 * config.stride, "MB": sizes, "error": strays, "rows": rows,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--preset", default="paper", choices=[name for name in PRESETS if name in ("paper", "hfr")])
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--cold-runs", type=int, default=40)
    arguments.add_argument(
        "--clock", choices=["wall", "thread"], default="wall", help="thread: on a machine that is busy"
    )
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    logging.getLogger().setLevel(logging.ERROR)  # the quantizer's advice
    with tempfile.TemporaryDirectory() as directory:
        clock = time.perf_counter_ns if options.clock == "wall" else time.thread_time_ns
        report = compare(options.preset, options.runs, options.cold_runs, clock, Path(directory))
    if options.json:
        print(json.dumps(report))
        return
    print(f"{report['cpu']}, {report['isa']}, one thread; ONNX Runtime {report['onnxruntime']}")
    print(
        f"{options.preset}: an encoder of {report['parameters'] / 1e6:.1f}M parameters, {report['step_ms']} ms a step"
    )
    warm, cold = (row["us"] for row in report["rows"])
    print(f"{'':36} {'MB':>7} {'warm us':>10} {'cold us':>10}   stray")
    for title in warm:
        cells = f"{report['MB'][title]:7.1f} {warm[title]:10.1f} {cold[title]:10.1f}   {report['error'][title]:.1e}"
        print(f"{title:36} {cells}")
    for row in report["rows"]:
        ratios = ", ".join(f"{kind} {ratio:.2f}x" for kind, ratio in row["speedup"].items())
        print(f"{row['caches']}: faster than the best int8 of ONNX Runtime: {ratios}")


if __name__ == "__main__":
    main()
