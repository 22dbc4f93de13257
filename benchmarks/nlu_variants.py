"""Latency and size of the compressed forms of one network, interleaved in one process, one thread.

    python benchmarks/nlu_variants.py [--layers 4 --hidden 312 --ffn 1200 --heads 12] [--pieces 16] [--runs 400] [--onnxruntime]

The weights are random: neither latency nor size depends on them (accuracy does; docs/results.md has it of trained models). The
vocabulary is that of snips-en, 30,522 pieces. The binary forms are two added 1-bit products of half width (BinaryBERT), next to
one 1-bit product of full width. Ours is timed whole, `parser.parse`, text in to Python objects; --onnxruntime adds the ternary
network in ONNX Runtime's int8, timed on the network alone. The adaptive form is one artifact opened whole and as parts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nlu_against_onnxruntime import cpu_name, measure, open_session

import sottovoce as sv
from sottovoce import _native
from sottovoce.cli.bench import utterance_of
from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.models.bert import Quantization
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Spec
from sottovoce.export.spec_bert import ARCHITECTURE
from sottovoce.export.writers import write_spec
from sottovoce.models import resolve

Metadata = dict[str, Any]


def kinds(word: WeightKind, encoder: WeightKind) -> dict[str, str]:
    """Family to weights: positions, pooler and heads in int8."""
    return vars(Quantization(word=word, position="int8", encoder=encoder, pooler="int8", heads="int8"))


STEPPED = {
    "bert.input_quantizer": "stepped",
    "bert.activation_bits": 4,
    "bert.asymmetric_inputs": ["ffn.down"],
    "bert.activation_granularity": "tensor",
    "bert.hidden_activation": "relu",
}
HALVES = {"bert.weight_halves": 2, "bert.pooler_halves": 1}


def forms(sizes: dict[str, int]) -> dict[str, tuple[Metadata, dict[str, str]]]:
    """Name to (metadata, weights)."""
    full = {f"bert.{key}": value for key, value in sizes.items()}
    half = {**full, "bert.num_heads": sizes["num_heads"] // 2, "bert.ffn_size": sizes["ffn_size"] // 2}
    operands = {"bert.attention_quantizer": "stepped"}
    return {
        "ternary W2A8": (full, kinds("ternary", "ternary")),
        "int8 W8A8": (full, kinds("int8", "int8")),
        "binary W1A8, halves, 1-bit words": (half, kinds("binary", "split")),
        "binary W1A8, halves, split words": (half, kinds("split", "split")),
        "binary W1A4, halves, 1-bit words": ({**half, **STEPPED, **HALVES}, kinds("binary", "split")),
        "binary W1A4, halves, 4-bit attention": ({**half, **STEPPED, **HALVES, **operands}, kinds("binary", "split")),
        "binary W1A8, one product": (full, kinds("binary", "binary")),
        "binary W1A4, one product": ({**full, **STEPPED}, kinds("binary", "binary")),
    }


def write_random(path: Path, metadata: Metadata, weights: dict[str, str]) -> int:
    """Write an artifact with random weights and return its size in bytes."""
    stored = ArtifactWeights(resolve("snips-en"))
    base = {key: value for key, value in stored.metadata.items() if key.startswith(("tokenizer.", "intent.", "slot."))}
    vocabulary = np.frombuffer(stored.bytes("tokenizer.vocab"), np.uint8)
    base |= {
        "bert.vocab_size": len(stored.bytes("tokenizer.vocab").split(b"\n")), "bert.max_positions": 512,
        "bert.type_vocab_size": 2, "bert.layer_norm_epsilon": 1e-12, "bert.activation_clip": 0.0,
        "bert.activation_granularity": "token", "bert.hidden_activation": "gelu", "bert.pooler_activation": "none",
    } | metadata  # fmt: skip
    base["bert.qkv_size"] = base["bert.num_heads"] * base["bert.head_size"]
    spec = Spec(ARCHITECTURE, base, {}, dict(weights))
    random = np.random.default_rng(0)
    for name, shape in spec.shapes().items():
        if name == "tokenizer.vocab":
            spec.arrays[name] = vocabulary
        elif name.endswith("step"):
            spec.arrays[name] = np.full(shape, 0.3, np.float32)
        else:
            middle = 1.0 if name.endswith("norm.weight") else 0.0
            spec.arrays[name] = (middle + 0.05 * random.standard_normal(shape)).astype(np.float32)
    return write_spec(spec, path, Provenance(name=path.stem, license="none"))


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("layers", 4), ("hidden", 312), ("ffn", 1200), ("heads", 12), ("pieces", 16), ("runs", 400)):
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--cold-runs", type=int, default=40)
    arguments.add_argument("--onnxruntime", action="store_true", help="int8 beside ours")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    sizes = {
        "num_layers": options.layers, "hidden_size": options.hidden, "num_heads": options.heads,
        "head_size": options.hidden // options.heads, "ffn_size": options.ffn,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        parsers: dict[str, sv.IntentParser] = {}
        megabytes: dict[str, float] = {}
        for number, (name, (metadata, weights)) in enumerate(forms(sizes).items()):
            path = Path(directory) / f"{number}.gguf"
            megabytes[name] = write_random(path, metadata, weights) / 1e6
            parsers[name] = sv.IntentParser.from_pretrained(path)
        adaptive = {f"bert.{key}": value for key, value in sizes.items()}
        adaptive |= {"bert.adaptive_widths": [100, 75, 50, 25], "bert.adaptive_depths": [100, 75, 50]}
        path = Path(directory) / "adaptive.gguf"
        size = write_random(path, adaptive, kinds("ternary", "ternary")) / 1e6
        for width, depth in ((1.0, 1.0), (0.5, 1.0), (1.0, 0.5), (0.5, 0.5), (0.25, 0.5)):
            name = f"adaptive W2A8, width {width:g}, depth {depth:g}"
            megabytes[name] = size
            parsers[name] = sv.IntentParser.from_pretrained(path, width=width, depth=depth)
        text = utterance_of(parsers["ternary W2A8"], options.pieces)
        calls: dict[str, Callable[[], object]] = {
            name: lambda parser=parser: parser.parse(text) for name, parser in parsers.items()
        }
        if options.onnxruntime:
            calls |= _onnxruntime(Path(directory), parsers["ternary W2A8"], text)
        warm, cold = (measure(calls, runs, state) for runs, state in ((options.runs, False), (options.cold_runs, True)))
    report = {"cpu": cpu_name(), "isa": _native.active_isa(), "MB": megabytes, "warm_us": warm, "cold_us": cold}
    if options.json:
        print(json.dumps(report))
        return
    print(f"{report['cpu']}, {report['isa']}, one thread; {sizes}, {options.pieces} pieces, median")
    for name, value in warm.items():
        ratio = warm["ternary W2A8"] / value
        size_text = f"{megabytes[name]:6.2f} MB" if name in megabytes else " " * 9
        print(f"  {name:40} {size_text}  warm {value:8.1f} us  cold {cold[name]:8.1f} us  {ratio:5.2f}x ternary")


def _onnxruntime(directory: Path, parser: sv.IntentParser, text: str) -> dict[str, Callable[[], object]]:
    import onnx_bert

    ids = np.array([parser.tokenizer.encode(text).ids], np.int32)
    calls: dict[str, Callable[[], object]] = {}
    for name, path in onnx_bert.write_models(directory / "0.gguf", directory).items():
        if "int8" in name:
            session = open_session(path, 1)
            calls[name] = lambda session=session: session.run(None, {"ids": ids, "types": np.zeros_like(ids)})
    return calls


if __name__ == "__main__":
    main()
