"""A stage over the batches of a task, judged on its validation split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from sottovoce.export.models.bert import JointBert
from sottovoce.export.models.mpnet_joint import JointMpnet
from sottovoce.export.train.nlu.batches import Batch
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Losses, Stage, run_stage
from sottovoce.export.train.nlu.task import Task


def train_on_task(
    name: str,
    task: Task,
    directory: Path,
    model: JointBert | JointMpnet,
    trained: nn.Module,
    settings: LoopSettings,
    losses: Callable[[Batch], Losses],
) -> dict[str, Tensor]:
    """Train (or resume) and return the best weights of `model`; `trained` may hold helper modules beside it."""
    stage = Stage(
        name=name,
        directory=directory,
        model=model,
        trained=trained,
        settings=settings,
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=losses,
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
    )
    best = run_stage(stage)
    assert best is not None
    return best
