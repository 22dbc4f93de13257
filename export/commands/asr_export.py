"""Write a checkpoint of `train asr` as an artifact of the runtime.

Metrics and attribution, JSON files, are stored in the artifact's metadata.
"""

from __future__ import annotations

import argparse
from pathlib import Path

COMMAND = ("export-asr",)
HELP = "checkpoint of `train asr` to artifact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="checkpoint.pt")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--weights",
        choices=["ternary", "int8", "f32"],
        default="int8",
        help="how weights are stored (default: int8); ternary wants a network trained so",
    )
    parser.add_argument("--name", required=True, help="the artifact's name")
    parser.add_argument(
        "--license", default="Apache-2.0", metavar="SPDX", help="licence of the weights (default: Apache-2.0)"
    )
    parser.add_argument(
        "--language-model", type=Path, metavar="CHECKPOINT", help="of `train lm`, for beam search with this recognizer"
    )
    for name, default, what in (
        ("scale", 0.5, "how much it counts"),
        ("internal", 0.5, "share of what the predictor knows of language itself that is taken off it"),
        ("bonus", 0.5, "log probability for each piece"),
    ):
        parser.add_argument(f"--lm-{name}", type=float, default=default, help=f"{what} (default: {default})")
    parser.add_argument(
        "--beam",
        type=int,
        default=1,
        metavar="N",
        help="hypotheses that a stream keeps unless it says otherwise (default: 1)",
    )
    parser.add_argument("--metrics", metavar="JSON", help="file with an object of figures")
    parser.add_argument("--attribution", metavar="JSON", help="file with a list of sources and their licences")


def run(options: argparse.Namespace) -> int:
    """Export and print one line."""
    from sottovoce.export.json_file import read_json
    from sottovoce.export.train.asr.export import export_checkpoint

    path = Path(options.output)
    size = export_checkpoint(
        Path(options.checkpoint),
        path,
        weights=options.weights,
        name=options.name,
        license_id=options.license,
        metrics=read_json(options.metrics, dict) if options.metrics else {},
        attribution=read_json(options.attribution, list) if options.attribution else [],
        language_model=options.language_model,
        beam=options.beam,
        fusion_weights={name: getattr(options, f"lm_{name}") for name in ("scale", "internal", "bonus")},
    )
    print(f"{path}: {options.name}, {size / 1e6:.2f} MB, {options.weights} weights")
    return 0
