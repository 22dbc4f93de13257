"""Say what a checkpoint is and what it would become; nothing is written.

CHECKPOINT is a directory or one file of tensors. Told are the family and how it shows, the sizes, the labels, the artifact's
size for every kind of weights, and what keeps it from being read or run. The exit status is 1 when it cannot be read.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from sottovoce.export.import_options import add_arguments as add_import_arguments
from sottovoce.export.import_options import from_arguments as import_options

if TYPE_CHECKING:
    from sottovoce.export.inspection import Inspection

COMMAND = ("inspect",)
HELP = "what a checkpoint is and would become"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="checkpoint directory, or a file of tensors")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--tensors", action="store_true", help="list the stored tensors and their shapes, too")
    add_import_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print what was found."""
    from sottovoce.export.inspection import inspect

    report = inspect(options.checkpoint, import_options(options))
    if options.json:
        print(json.dumps(dataclasses.asdict(report), indent=1, ensure_ascii=False))
    else:
        print("\n".join(_lines(report, tensors=options.tensors)))
    return 1 if report.problems else 0


def _lines(report: Inspection, *, tensors: bool) -> list[str]:
    rows: list[tuple[str, str]] = []
    if report.reason:
        rows.append(("because", report.reason))
    rows += [("file", f"{name}, {_size(size)}") for name, size in report.files.items()]
    if report.network:
        rows.append(("network", _network(report)))
    if report.parameters:
        stored = f"{len(report.tensors)} stored tensors"
        rows.append(("parameters", f"{report.parameters:,} in use; {stored}"))
    for head, labels in report.labels.items():
        if labels:
            more = f", ... ({len(labels) - 6} more)" if len(labels) > 6 else ""
            rows.append((f"{head}s", f"{len(labels)}: {', '.join(labels[:6])}{more}"))
    if report.trained_weights:
        rows.append(("trained for", ", ".join(f"{family} {kind}" for family, kind in report.trained_weights.items())))
    if report.artifact_bytes:
        sizes = ", ".join(f"{kind} {_size(size)}" for kind, size in report.artifact_bytes.items())
        rows.append(("becomes", f"{report.artifact} artifact, about: {sizes}"))
    rows += [("note", text) for text in report.notes]
    rows += [("but", text) for text in report.obstacles]
    rows += [("problem", text) for text in report.problems]
    if tensors:
        rows += [("tensor", f"{name} {tuple(shape)}") for name, shape in report.tensors.items()]
    return [f"{report.path}: {report.family}", *(f"  {key:<12}{text}" for key, text in rows)]


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _network(report: Inspection) -> str:
    network = report.network

    def size(name: str) -> str:
        value = network.get(f"bert.{name}", network.get(f"mpnet.{name}"))
        return f"{value:,}" if isinstance(value, int) else str(value)

    parts = [f"{size('num_layers')} layers x {size('hidden_size')}"]
    if "bert.head_size" in network:
        parts.append(f"{size('num_heads')} heads of {size('head_size')}")
    else:
        parts.append(f"{size('num_heads')} heads")
    parts.append(f"feed-forward {size('ffn_size')}, {size('vocab_size')} pieces, {size('max_positions')} positions")
    if network.get("bert.position") == "relative":
        parts.append(f"relative positions within {size('max_relative_position')}")
    if "bert.pooler_activation" in network:
        parts.append(f"pooler {network['bert.pooler_activation']}")
    return ", ".join(parts)
