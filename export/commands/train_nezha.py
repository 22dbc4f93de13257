"""Train a NEZHA intent and slot model (relative positions; Chinese by characters): teacher, fewer layers, ternary weights.

DATA is a file or a directory of any known format (as of `train nlu`). The teacher is fine-tuned from --teacher, a NEZHA
checkpoint; without one it is trained on DATA alone, its vocabulary the characters there. OUT receives a directory a stage, the
result as OUT/nezha and OUT/NAME.gguf. Run the same command again after a kill: it goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sottovoce.export.train_options import add_loop_arguments, finish, loop_settings, positive

COMMAND = ("train", "nezha")
HELP = "intents and slots with relative positions (Chinese)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--data", required=True, type=Path, metavar="DATA", help="labelled utterances")
    add("--out", required=True, type=Path, metavar="OUT", help="directory of this run")
    add("--name", default="model", help="name of the model (default: model)")
    add("--teacher", metavar="DIR", help="NEZHA checkpoint to fine-tune")
    add("--layers", type=positive, default=4, metavar="N", help="of a teacher without a checkpoint (default: 4)")
    add("--hidden", type=positive, default=192, metavar="N", help="(default: 192)")
    add("--heads", type=positive, default=6, metavar="N", help="(default: 6)")
    add("--student-layers", type=positive, default=2, metavar="N", help="of the result (default: 2)")
    add("--teacher-epochs", type=positive, default=12, metavar="N", help="(default: 12)")
    add("--student-epochs", type=positive, default=6, metavar="N", help="(default: 6)")
    add("--ternary-epochs", type=positive, default=6, metavar="N", help="(default: 6)")
    add_loop_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    from sottovoce.errors import InvalidInputError
    from sottovoce.export import importers
    from sottovoce.export.train.nlu.nezha import NezhaSettings, train_nezha

    if options.hidden % options.heads:
        raise InvalidInputError(f"--heads: wanted a divisor of --hidden {options.hidden}, found {options.heads}")
    settings = NezhaSettings(
        data=options.data,
        out=options.out,
        teacher=loop_settings(options, options.teacher_epochs, 5e-5 if options.teacher else 1e-3),
        student=loop_settings(options, options.student_epochs, 4e-4),
        ternary=loop_settings(options, options.ternary_epochs, 3e-4),
        checkpoint=importers.find(options.teacher) if options.teacher else None,
        num_layers=options.layers,
        hidden_size=options.hidden,
        num_heads=options.heads,
        ffn_size=4 * options.hidden,
        student_layers=options.student_layers,
        name=options.name,
        batch_size=options.batch_size,
        seed=options.seed,
        threads=options.threads,
    )
    train_nezha(settings)
    return finish(options.out / "nezha", options)
