"""What compression starts from: a trained float32 student with the task it knows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch

from sottovoce.errors import InvalidInputError
from sottovoce.export.models.bert import Quantization
from sottovoce.export.train.nlu.calibrate import OUTLIERS_FOR_CALIBRATION
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint
from sottovoce.export.train.nlu.task import Task, load_task, read_lines
from sottovoce.export.train.nlu.tokenization import load_tokenizer


def open_student(
    student: Path, data: Path, outliers: Sequence[Path], *, batch_size: int, seed: int, threads: int
) -> tuple[Checkpoint, Task, list[str]]:
    """Return the float32 checkpoint in `student`, its task, and the outliers held out for calibration.

    Raises InvalidInputError when the weights are quantized already or the labels of `data` are not the checkpoint's, and
    what `load_checkpoint` and `load_dataset` raise.
    """
    torch.set_num_threads(threads)
    full = load_checkpoint(student)
    if full.config.quantization != Quantization():
        raise InvalidInputError(f"{student}: wanted float32 weights, found {full.config.quantization}")
    lines = [line for source in outliers for line in read_lines(source)]
    random.Random(seed).shuffle(lines)
    held = round(len(lines) * OUTLIERS_FOR_CALIBRATION)
    task = load_task(data, load_tokenizer(student / "vocab.txt"), outliers=lines[held:], seed=seed)
    task.batch_size = batch_size
    if full.slot_labels != task.labels.tags or full.intent_labels != task.labels.intents:
        raise InvalidInputError(f"{student}: its labels are not those of {data}")
    return full, task, lines[:held]
