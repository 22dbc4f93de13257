"""Stage 4: ternarize with distillation (TernaryBERT). The float32 student is both the start and the teacher.

Three losses, as in the paper (section 3.2): states, attention scores and logits. Method `twn` takes the ternary values nearest
to the weights, `lat` those that cost the loss least; word embedding rows are TWN's in both, for Adam sees too few of them to
tell their curvature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.compress.loss_aware import adam_curvature, loss_aware_rows
from sottovoce.export.models.bert import BertOutput, JointBert, Quantization
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Stage, run_stage
from sottovoce.export.train.nlu.student_task import Start, compress
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import distillation_losses
from sottovoce.export.train.nlu.task_stage import distil_on_task


def train_quantized(
    task: Task, teacher: Checkpoint, start: Checkpoint, directory: Path, settings: LoopSettings, *, name: str
) -> Checkpoint:
    """Quantization-aware training of `start` (its configuration says how) beside a float teacher of the same shape.

    Returns the best checkpoint of shadow weights; resumes.
    """
    torch.manual_seed(settings.seed)
    model = start.build()
    student = StudentWithFit(model, start.config.hidden_size, range(start.config.num_layers))
    best = distil_on_task(name, task, directory, model, student, teacher.build(), settings)
    return replace(start, weights=best, metrics={}, training={})


class LossAwareBert(nn.Module):
    """A ternary joint BERT whose encoder is quantized with the curvature that its optimizer has seen so far."""

    def __init__(self, full: JointBert) -> None:
        super().__init__()
        self.full = full
        self.config = full.config
        self.optimizers: Sequence[torch.optim.Optimizer] = ()
        quantization = replace(full.config.quantization, encoder="ternary_values")
        with torch.device("meta"):
            # In a list: a shape has no parameters of its own to train.
            self._shape = [JointBert(replace(full.config, quantization=quantization))]

    def curvature(self, weight: Tensor) -> Tensor | None:
        """Of one parameter, its shape; None before the first step."""
        for optimizer in self.optimizers:
            if weight in optimizer.state:
                return adam_curvature(optimizer.state[weight], float(optimizer.param_groups[0]["betas"][1]))
        return None

    def ternary_weights(self) -> dict[str, Tensor]:
        """All weights, the encoder's products as ternary values."""
        return {
            name: loss_aware_rows(weight, self.curvature(weight))
            if name.startswith("layer.") and weight.dim() == 2
            else weight
            for name, weight in self.full.named_parameters()
        }

    def forward(self, ids: Tensor, keep: Tensor | None = None, **wants: Any) -> BertOutput:
        """As `JointBert`."""
        output: BertOutput = functional_call(self._shape[0], self.ternary_weights(), (ids, keep), wants)
        return output


def train_loss_aware(task: Task, teacher: Checkpoint, directory: Path, settings: LoopSettings) -> Checkpoint:
    """As `train_quantized`, by LAT. The weights that come back are ternary values: TWN of them is the same."""
    torch.manual_seed(settings.seed)
    above = teacher.build().requires_grad_(False).eval()
    start = replace(teacher, config=replace(teacher.config, quantization=Quantization.ternary()))
    model = LossAwareBert(start.build())
    student = StudentWithFit(model, start.config.hidden_size, range(start.config.num_layers))
    stage = Stage(
        name="ternarize",
        directory=directory,
        model=model.full,
        trained=student,
        settings=settings,
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=lambda batch: distillation_losses(student, above, batch, logits=True),
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
        with_optimizers=lambda optimizers: setattr(model, "optimizers", optimizers),
        kept=lambda: {name: weight.detach() for name, weight in model.ternary_weights().items()},
    )
    best = run_stage(stage)
    assert best is not None
    return replace(start, weights=best, metrics={}, training={})


@dataclass(frozen=True)
class TernarySettings:
    """How the command `ternarize` trains."""

    loop: LoopSettings
    method: Literal["twn", "lat"] = "twn"


def train_ternary(start: Start, out: Path, settings: TernarySettings) -> Checkpoint:
    """From a float32 model to the calibrated ternary one in OUT/ternary; a finished one is only read. Raises as `compress`."""
    train = train_loss_aware if settings.method == "lat" else ternarize
    final = out / "ternary"
    return compress(start, final, settings, lambda task, full: train(task, full, final, settings.loop))


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
