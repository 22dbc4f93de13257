"""A stage over the batches of a task, judged on its validation split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.models.bert import JointBert
from sottovoce.export.models.mpnet_joint import JointMpnet
from sottovoce.export.train.nlu.batches import Batch
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Losses, Stage, run_stage
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import distillation_losses


def train_on_task(
    name: str,
    task: Task,
    directory: Path,
    model: JointBert | JointMpnet,
    trained: nn.Module,
    settings: LoopSettings,
    losses: Callable[[Batch], Losses],
    evaluate: Callable[[], dict[str, float]] | None = None,
) -> dict[str, Tensor]:
    """Train (or resume) and return the best weights of `model`; `trained` may hold helper modules beside it.

    evaluate: figures after an epoch, of which `score` chooses; by default those of the validation split.
    """
    stage = Stage(
        name=name,
        directory=directory,
        model=model,
        trained=trained,
        settings=settings,
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=losses,
        evaluate=evaluate or (lambda: validation(model, task.encoder, task.splits["valid"])),
    )
    best = run_stage(stage)
    assert best is not None
    return best


def distil_on_task(
    name: str,
    task: Task,
    directory: Path,
    model: JointBert | JointMpnet,
    student: StudentWithFit,
    teacher: JointBert | JointMpnet,
    settings: LoopSettings,
) -> dict[str, Tensor]:
    """Train (or resume) `model`, wrapped as `student`, on the teacher's states, attention and logits, and the labels.

    Returns the best weights of `model`.
    """
    teacher.requires_grad_(False).eval()

    def losses(batch: Batch) -> Losses:
        return distillation_losses(student, teacher, batch, logits=True)

    return train_on_task(name, task, directory, model, student, settings, losses)
