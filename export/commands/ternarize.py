"""Ternarize a trained student with distillation (TernaryBERT): 2-bit weights and embeddings, 8-bit activations (W2E2A8).

Method `twn` stores the ternary values nearest to the weights; `lat` (loss-aware) weighs each weight's error by the curvature of
the loss, as Adam's second moment shows it. OUT receives OUT/ternary and OUT/NAME.gguf. Run the same command again after a kill:
it goes on where it was.
"""

from __future__ import annotations

import argparse

from sottovoce.export.train_options import add_start_arguments, finish, loop_settings, positive, start_from

COMMAND = ("ternarize",)
HELP = "a trained student to 2-bit weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_start_arguments(parser)
    add = parser.add_argument
    add("--method", choices=["twn", "lat"], default="twn", help="nearest values, or loss-aware (default: twn)")
    add("--epochs", type=positive, default=5, metavar="N", help="(default: 5)")
    add("--learning-rate", type=float, default=2.5e-4, metavar="R", help="peak (default: 0.00025)")


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    from sottovoce.export.train.nlu.ternarize import TernarySettings, train_ternary

    loop = loop_settings(options, options.epochs, options.learning_rate)
    train_ternary(start_from(options), options.out, TernarySettings(loop, options.method))
    return finish(options.out / "ternary", options)
