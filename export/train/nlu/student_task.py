"""What compression starts from, a trained float32 student with the task it knows, and how its result is finished."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sottovoce.errors import InvalidInputError
from sottovoce.export.data.text_lines import read_lines
from sottovoce.export.models.bert import Quantization
from sottovoce.export.train.nlu.artifact_start import artifact_checkpoint, checkpoint_tokenizer
from sottovoce.export.train.nlu.calibrate import OUTLIERS_FOR_CALIBRATION, calibrate
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.task import Task, load_task


@dataclass(frozen=True)
class Start:
    """A trained model, a float32 checkpoint directory or an artifact, and the data it was trained on."""

    student: Path
    data: Path
    name: str = "model"
    outliers: tuple[Path, ...] = ()
    batch_size: int = 32
    seed: int = 1
    threads: int = 1


def open_student(start: Start) -> tuple[Checkpoint, Task, list[str]]:
    """Return the float32 checkpoint, its task, and the outliers held out for calibration.

    An artifact is taken as it computes: its weights, rounded already, are the float32 ones of training.
    Raises InvalidInputError when a checkpoint's weights are quantized or its labels are not those of the data, and what
    `load_checkpoint` and `load_dataset` raise.
    """
    torch.set_num_threads(start.threads)
    full = artifact_checkpoint(start.student) if start.student.is_file() else load_checkpoint(start.student)
    if full.config.quantization != Quantization():
        raise InvalidInputError(f"{start.student}: wanted float32 weights, found {full.config.quantization}")
    lines = [line for source in start.outliers for line in read_lines(source)]
    random.Random(start.seed).shuffle(lines)
    held = round(len(lines) * OUTLIERS_FOR_CALIBRATION)
    task = load_task(start.data, checkpoint_tokenizer(full), outliers=lines[held:], seed=start.seed)
    task.batch_size = start.batch_size
    if full.slot_labels != task.labels.tags or full.intent_labels != task.labels.intents:
        raise InvalidInputError(f"{start.student}: its labels are not those of {start.data}")
    return full, task, lines[:held]


def compress(
    start: Start, final: Path, settings: Any, train: Callable[[Task, Checkpoint], Checkpoint], **more: Any
) -> Checkpoint:
    """The result of `train` (task, full precision), calibrated and written to `final`; a finished one is only read.

    `settings` (a dataclass) and `more` are recorded with it. Raises as `open_student`.
    """
    if (final / "config.json").exists():
        return load_checkpoint(final)
    full, task, held = open_student(start)
    compressed = train(task, full)
    training = {**_plain(settings), **more, "batch_size": start.batch_size}
    compressed = replace(compressed, name=start.name, training=training, attribution=full.attribution)
    compressed = calibrate(compressed, task, held, full_precision=full)
    save_checkpoint(compressed, final)
    return compressed


def _plain(settings: Any) -> Mapping[str, Any]:
    """A dataclass of settings, some of them dataclasses or tuples, as JSON values."""
    values = {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in vars(settings).items()
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
