"""Write a checkpoint as an artifact of the runtime.

CHECKPOINT is a directory that `sottovoce-export train` wrote, or one of the BERT family with an intent head: BERT, MiniLM,
TinyBERT, TernaryBERT, BinaryBERT, DynaBERT, AutoTinyBERT, NEZHA (docs/importers.md; `sottovoce-export inspect` says what a
checkpoint is). Weights are stored as the model was trained for; another choice quantizes them now, which costs accuracy.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from sottovoce.errors import InvalidInputError
from sottovoce.export.import_options import add_arguments as add_import_arguments
from sottovoce.export.import_options import from_arguments as import_options

COMMAND = ("convert",)
HELP = "checkpoint to artifact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="checkpoint directory")
    parser.add_argument("--to", choices=["gguf"], default="gguf", help="file format (default: gguf)")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--weights", choices=["ternary", "int8", "f32"], help="how weights are stored (default: as trained)"
    )
    parser.add_argument("--name", help="the artifact's name (default: the checkpoint's)")
    parser.add_argument("--license", metavar="SPDX", help="the licence of the weights (default: the checkpoint's)")
    add_import_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Convert and print one line."""
    from sottovoce.export import importers
    from sottovoce.export.spec_bert import WEIGHTS_BY_NAME
    from sottovoce.export.writers import WRITERS

    output = Path(options.output)
    if output.is_dir():
        raise InvalidInputError(f"{output}: wanted a file to write, found a directory")
    imported = importers.load(options.checkpoint, import_options(options))
    spec = imported.spec
    trained = spec.weights.get("encoder", "f32")
    weights = None
    if options.weights and options.weights != trained:
        weights = WEIGHTS_BY_NAME[options.weights]
        print(
            f"sottovoce-export: {options.checkpoint} was trained for {trained} weights; storing them as "
            f"{options.weights} changes its answers",
            file=sys.stderr,
        )
    provenance = imported.provenance
    changes = {"name": options.name, "license": options.license or provenance.license or "unspecified"}
    provenance = dataclasses.replace(provenance, **{key: value for key, value in changes.items() if value})
    size = WRITERS[options.to](spec, output, provenance, weights)
    for note in imported.notes:
        print(f"sottovoce-export: note: {note}", file=sys.stderr)
    print(f"{output}: {provenance.name}, {size / 1e6:.2f} MB, {_summary(spec.metadata, weights or spec.weights)}")
    return 0


def _summary(metadata: dict[str, object], weights: dict[str, str]) -> str:
    labels = {head: metadata.get(f"{head}.labels") for head in ("intent", "slot")}
    counts = ", ".join(f"{len(found)} {head} labels" for head, found in labels.items() if isinstance(found, list))
    shape = f"{metadata.get('bert.num_layers')} layers x {metadata.get('bert.hidden_size')}"
    return f"{shape}, {weights.get('encoder', 'f32')} weights, {counts}"
