"""Binarize a trained student (BinaryBERT): half-width ternary model, ternary weight splitting, binary fine-tuning (W1E1A8).

STUDENT is a float32 checkpoint of `train nlu` (OUT/student, or OUT/teacher of preset minilm-6) of the same DATA. OUT receives a
directory a stage and OUT/NAME.gguf at the end. Run the same command again after a kill: it goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sottovoce.export.commands.train_nlu import positive

COMMAND = ("binarize",)
HELP = "a trained student to 1-bit weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("student", type=Path, metavar="STUDENT", help="float32 checkpoint of `train nlu`")
    add("--data", required=True, type=Path, metavar="DATA", help="the labelled utterances it was trained on")
    add("--out", required=True, type=Path, metavar="OUT", help="directory of this run")
    add("--name", default="model", help="name of the model (default: model)")
    add("--width", type=float, default=0.5, metavar="SHARE", help="of the heads and neurons to keep (default: 0.5)")
    add("--split-words", action="store_true", help="two binary embedding tables instead of one: 1.2 MB more")
    add("--outliers", action="append", type=Path, metavar="FILE", help="sentences out of scope; may be repeated")
    add("--narrow-epochs", type=positive, default=3, metavar="N")
    add("--ternary-epochs", type=positive, default=3, metavar="N")
    add("--binary-epochs", type=positive, default=4, metavar="N")
    add("--batch-size", type=positive, default=32, metavar="N")
    add("--seed", type=int, default=1, metavar="N")
    add("--threads", type=positive, default=1, metavar="N")


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    from sottovoce.export import importers
    from sottovoce.export.train.nlu.binarize import BinarySettings, train_binary
    from sottovoce.export.train.nlu.loop import LoopSettings
    from sottovoce.export.writers import write_spec

    def settings(epochs: int, rate: float) -> LoopSettings:
        return LoopSettings(epochs=epochs, learning_rate=rate, warmup=0.05, seed=options.seed)

    train_binary(
        options.student,
        options.data,
        options.out,
        options.name,
        BinarySettings(
            narrow=settings(options.narrow_epochs, 3e-4),
            ternary=settings(options.ternary_epochs, 3e-4),
            binary=settings(options.binary_epochs, 2.5e-4),
            width=options.width,
            split_words=options.split_words,
        ),
        outliers=tuple(options.outliers or ()),
        batch_size=options.batch_size,
        threads=options.threads,
    )
    imported = importers.load(options.out / "binary")
    artifact = options.out / f"{options.name}.gguf"
    size = write_spec(imported.spec, artifact, imported.provenance)
    print(f"{artifact}: {size / 1e6:.2f} MB")
    return 0
