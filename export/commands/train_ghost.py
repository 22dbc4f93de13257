"""Train a GhostBERT: the most important heads and neurons of a trained student, with cheap convolutions added, distilled from it.

OUT receives a directory a stage, the result as OUT/ghost and OUT/NAME.gguf. Run the same command again after a kill: it goes on
where it was.
"""

from __future__ import annotations

import argparse

from sottovoce.export.train_options import add_start_arguments, finish, loop_settings, positive, start_from

COMMAND = ("train", "ghost")
HELP = "a pruned student with ghost features"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_start_arguments(parser)
    add = parser.add_argument
    add("--width", type=float, default=0.5, metavar="SHARE", help="of the heads and neurons to keep (default: 0.5)")
    add("--features", type=positive, default=1, metavar="N", help="ghost features a site (default: 1)")
    add("--weights", choices=["ternary", "f32"], default="ternary", help="of the result (default: ternary)")
    add("--narrow-epochs", type=positive, default=4, metavar="N", help="in float32 (default: 4)")
    add("--ternary-epochs", type=positive, default=4, metavar="N", help="(default: 4)")


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    from sottovoce.export.train.nlu.ghost import GhostSettings, train_ghost

    ternary = loop_settings(options, options.ternary_epochs, 3e-4) if options.weights == "ternary" else None
    settings = GhostSettings(
        narrow=loop_settings(options, options.narrow_epochs, 3e-4),
        ternary=ternary,
        width=options.width,
        features=options.features,
    )
    train_ghost(start_from(options), options.out, settings)
    return finish(options.out / "ghost", options)
