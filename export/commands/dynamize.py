"""Make a trained student adaptive (DynaBERT): one ternary artifact from which width and depth are chosen when it is opened.

STUDENT is a float32 checkpoint of `train nlu` (OUT/student, or OUT/teacher of preset minilm-6) of the same DATA. OUT receives a
directory a stage and OUT/NAME.gguf at the end. Run the same command again after a kill: it goes on where it was.
"""

from __future__ import annotations

import argparse

from sottovoce.export.train_options import (
    add_start_arguments,
    finish,
    loop_settings,
    not_negative,
    positive,
    start_from,
)

COMMAND = ("dynamize",)
HELP = "a trained student to adaptive width and depth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_start_arguments(parser)
    add = parser.add_argument
    add("--widths", type=float, nargs="+", default=[1.0, 0.75, 0.5, 0.25], metavar="SHARE")
    add("--depths", type=float, nargs="+", default=[1.0, 0.75, 0.5], metavar="SHARE")
    add(
        "--between",
        type=not_negative,
        metavar="N",
        help="sub-networks a step beside the largest and the smallest, by chance: cheaper steps (default: all)",
    )
    add(
        "--learning-rate",
        type=float,
        default=3e-4,
        metavar="R",
        help="of widths alone; two thirds of it of widths and depths; a rounded STUDENT (an artifact) takes four times as much "
        "(default: 0.0003)",
    )
    add("--width-epochs", type=not_negative, default=3, metavar="N", help="of widths alone, first (default: 3)")
    add("--depth-epochs", type=positive, default=2, metavar="N", help="of widths and depths (default: 2)")


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    from sottovoce.export.train.nlu.dynamize import DynaSettings, train_dyna

    settings = DynaSettings(
        width=loop_settings(options, options.width_epochs, options.learning_rate),
        depth=loop_settings(options, options.depth_epochs, options.learning_rate * 2 / 3),
        widths=tuple(options.widths),
        depths=tuple(options.depths),
        between=options.between,
    )
    train_dyna(start_from(options), options.out, settings)
    return finish(options.out / "dyna", options)
