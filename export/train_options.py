"""The flags that training commands share, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sottovoce.export.train.nlu.loop import LoopSettings
    from sottovoce.export.train.nlu.student_task import Start


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def not_negative(text: str) -> int:
    """A whole number of at least 0, for argparse."""
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --config, which `sottovoce.export.command_config` puts before the flags of the command line."""
    parser.add_argument(
        "--config",
        metavar="YAML",
        dest="yaml_config",
        help="file of settings named as the flags (batch-size: 16); flags on the command line override it",
    )


def add_loop_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every NLU training takes."""
    add = parser.add_argument
    add("--batch-size", type=positive, default=32, metavar="N", help="utterances (default: 32)")
    add("--seed", type=int, default=1, metavar="N")
    add("--threads", type=positive, default=1, metavar="N")
    add("--bfloat16", action="store_true", help="float products of training in bfloat16: faster where the CPU has it")
    add_config_argument(parser)


def add_start_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what a compression of a trained student takes."""
    add = parser.add_argument
    add(
        "student",
        metavar="STUDENT",
        help="float32 checkpoint, OUT/student of `distill` or `train nlu` or OUT/teacher of preset minilm-6; or an artifact or "
        "a bundled name",
    )
    add("--data", required=True, type=Path, metavar="DATA", help="the labelled utterances it was trained on")
    add("--out", required=True, type=Path, metavar="OUT", help="directory of this run")
    add("--name", default="model", help="name of the model (default: model)")
    add("--outliers", action="append", type=Path, metavar="FILE", help="sentences out of scope; may be repeated")
    add_loop_arguments(parser)


def start_from(options: argparse.Namespace) -> Start:
    """What a compression starts from, of parsed options."""
    from sottovoce.export.train.nlu.student_task import Start
    from sottovoce.models import resolve

    return Start(
        student=Path(options.student if Path(options.student).is_dir() else resolve(options.student)),
        data=options.data,
        name=options.name,
        outliers=tuple(options.outliers or ()),
        batch_size=options.batch_size,
        seed=options.seed,
        threads=options.threads,
    )


def loop_settings(options: argparse.Namespace, epochs: int, rate: float, **changes: Any) -> LoopSettings:
    """Optimization settings of one stage."""
    from sottovoce.export.train.nlu.loop import LoopSettings

    shared = {"warmup": 0.05, "seed": options.seed, "bfloat16": options.bfloat16}
    return LoopSettings(epochs=epochs, learning_rate=rate, **{**shared, **changes})


def finish(directory: Path, options: argparse.Namespace) -> int:
    """Write the checkpoint in `directory` as OUT/NAME.gguf, say so, and return the command's status."""
    from sottovoce.export.train.nlu import replicas
    from sottovoce.export.writers import write_checkpoint

    if not replicas.is_writer():
        return 0
    artifact: Path = options.out / f"{options.name}.gguf"
    size = write_checkpoint(directory, artifact)
    print(f"{artifact}: {size / 1e6:.2f} MB")
    return 0
