"""Binarize a trained student (BinaryBERT): half-width ternary model, ternary weight splitting, binary fine-tuning.

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

COMMAND = ("binarize",)
HELP = "a trained student to 1-bit weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_start_arguments(parser)
    add = parser.add_argument
    add("--width", type=float, default=0.5, metavar="SHARE", help="of the heads and neurons to keep (default: 0.5)")
    add("--split-words", action="store_true", help="two binary embedding tables instead of one: 1.2 MB more")
    add(
        "--activation-bits",
        type=int,
        choices=[8, 4],
        default=8,
        help="of the encoder's inputs; 4 learns steps (default: 8)",
    )
    add("--narrow-epochs", type=positive, default=3, metavar="N")
    add("--ternary-epochs", type=positive, default=3, metavar="N")
    add("--binary-epochs", type=not_negative, default=4, metavar="N", help="after the split, 0: none (default: 4)")


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    from sottovoce.export.train.nlu.binarize import BinarySettings, train_binary

    settings = BinarySettings(
        narrow=loop_settings(options, options.narrow_epochs, 3e-4),
        ternary=loop_settings(options, options.ternary_epochs, 3e-4),
        binary=loop_settings(options, options.binary_epochs, 2.5e-4),
        width=options.width,
        split_words=options.split_words,
        activation_bits=options.activation_bits,
    )
    train_binary(start_from(options), options.out, settings)
    return finish(options.out / "binary", options)
