"""Stage 4: ternarize with distillation (TernaryBERT). The float32 student is both the start and the teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.models.bert import Quantization
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Stage, run_stage
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import distillation_losses


def train_quantized(
    task: Task, teacher: Checkpoint, start: Checkpoint, directory: Path, settings: LoopSettings, *, name: str
) -> Checkpoint:
    """Quantization-aware training of `start` (its configuration says how) beside a float teacher of the same shape.

    Returns the best checkpoint of shadow weights; resumes.
    """
    torch.manual_seed(settings.seed)
    above = teacher.build().requires_grad_(False).eval()
    model = start.build()
    student = StudentWithFit(model, start.config.hidden_size, range(start.config.num_layers))
    stage = Stage(
        name=name,
        directory=directory,
        model=model,
        trained=student,
        settings=settings,
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=lambda batch: distillation_losses(student, above, batch, logits=True),
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
    )
    best = run_stage(stage)
    assert best is not None
    return replace(start, weights=best, metrics={}, training={})


def ternarize(
    task: Task,
    full_precision: Checkpoint,
    directory: Path,
    settings: LoopSettings,
    *,
    quantization: Quantization | None = None,
) -> Checkpoint:
    """Quantization-aware training to W2E2A8 (or another `quantization`) from the full-precision model, its own teacher."""
    config = replace(full_precision.config, quantization=quantization or Quantization.ternary())
    start = replace(full_precision, config=config)
    return train_quantized(task, full_precision, start, directory, settings, name="ternarize")
