"""Stage 4: ternarize with distillation (TernaryBERT). The float32 student is both the start and the teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.models.bert import JointBert, Quantization
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Stage, run_stage
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import distillation_losses


def ternarize(
    task: Task,
    full_precision: Checkpoint,
    directory: Path,
    settings: LoopSettings,
    *,
    quantization: Quantization | None = None,
) -> Checkpoint:
    """Quantization-aware training to W2E2A8 (or another `quantization`); returns the best checkpoint of shadow weights."""
    torch.manual_seed(settings.seed)
    teacher = full_precision.build().requires_grad_(False).eval()
    config = replace(full_precision.config, quantization=quantization or Quantization.ternary())
    model = JointBert(config)
    model.load_state_dict(full_precision.weights)
    student = StudentWithFit(model, config.hidden_size, range(config.num_layers))
    stage = Stage(
        name="ternarize",
        directory=directory,
        model=model,
        trained=student,
        settings=settings,
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=lambda batch: distillation_losses(student, teacher, batch, logits=True),
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
    )
    best = run_stage(stage)
    assert best is not None
    return replace(full_precision, config=config, weights=best, metrics={}, training={})
