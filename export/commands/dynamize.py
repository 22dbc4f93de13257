"""Make a trained student adaptive (DynaBERT): one ternary artifact from which width and depth are chosen when it is opened.

STUDENT is a float32 checkpoint of `train nlu` (OUT/student, or OUT/teacher of preset minilm-6) of the same DATA. OUT receives a
directory a stage and OUT/NAME.gguf at the end. Run the same command again after a kill: it goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sottovoce.export.commands.train_nlu import positive

COMMAND = ("dynamize",)
HELP = "a trained student to adaptive width and depth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("student", type=Path, metavar="STUDENT", help="float32 checkpoint of `train nlu`")
    add("--data", required=True, type=Path, metavar="DATA", help="the labelled utterances it was trained on")
    add("--out", required=True, type=Path, metavar="OUT", help="directory of this run")
    add("--name", default="model", help="name of the model (default: model)")
    add("--widths", type=float, nargs="+", default=[1.0, 0.75, 0.5, 0.25], metavar="SHARE")
    add("--depths", type=float, nargs="+", default=[1.0, 0.75, 0.5], metavar="SHARE")
    add("--outliers", action="append", type=Path, metavar="FILE", help="sentences out of scope; may be repeated")
    add("--width-epochs", type=positive, default=3, metavar="N")
    add("--depth-epochs", type=positive, default=2, metavar="N")
    add("--batch-size", type=positive, default=32, metavar="N")
    add("--seed", type=int, default=1, metavar="N")
    add("--threads", type=positive, default=1, metavar="N")


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    from sottovoce.export import importers
    from sottovoce.export.train.nlu.dynamize import DynaSettings, train_dyna
    from sottovoce.export.train.nlu.loop import LoopSettings
    from sottovoce.export.writers import write_spec

    def settings(epochs: int, rate: float) -> LoopSettings:
        return LoopSettings(epochs=epochs, learning_rate=rate, warmup=0.05, seed=options.seed)

    train_dyna(
        options.student,
        options.data,
        options.out,
        options.name,
        DynaSettings(
            width=settings(options.width_epochs, 3e-4),
            depth=settings(options.depth_epochs, 2e-4),
            widths=tuple(options.widths),
            depths=tuple(options.depths),
        ),
        outliers=tuple(options.outliers or ()),
        batch_size=options.batch_size,
        threads=options.threads,
    )
    imported = importers.load(options.out / "dyna")
    artifact = options.out / f"{options.name}.gguf"
    size = write_spec(imported.spec, artifact, imported.provenance)
    print(f"{artifact}: {size / 1e6:.2f} MB")
    return 0
