"""A narrower model: the most important heads and neurons of a trained one, distilled from it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from sottovoce.export.compress.distillation import StudentWithFit, hidden_loss, logit_losses
from sottovoce.export.compress.width import Importance, measure_importance, narrow, narrowed_config, rewire
from sottovoce.export.train.nlu.batches import IGNORED, Batch
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.loop import LoopSettings, Losses
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import supervised_losses
from sottovoce.export.train.nlu.task_stage import train_on_task

IMPORTANCE_BATCHES = 40


def importance_on(task: Task, full: Checkpoint, seed: int) -> Importance:
    """Of the heads and neurons of a float model, on some training batches as they are."""
    model = full.build()
    batches = islice(task.batches(0, seed, augment=False), IMPORTANCE_BATCHES)
    return measure_importance(
        model, batches, lambda batch: supervised_losses(model(batch.ids, batch.keep), batch)["loss"]
    )


def narrowed(task: Task, full: Checkpoint, width: float, seed: int) -> Checkpoint:
    """The share `width` of the heads and neurons, the most important ones; not trained yet."""
    rewired = rewire(full.weights, full.config, importance_on(task, full, seed))
    weights = {name: tensor.clone() for name, tensor in narrow(rewired, full.config, width).items()}
    return replace(full, config=narrowed_config(full.config, width), weights=weights)


def distil_from_wide(
    task: Task, teacher: Checkpoint, start: Checkpoint, directory: Path, settings: LoopSettings, *, name: str
) -> Checkpoint:
    """Train (or resume) a model of the teacher's layers and hidden size but other heads: states and logits, no attention."""
    torch.manual_seed(settings.seed)
    above = teacher.build().requires_grad_(False).eval()
    model = start.build()
    student = StudentWithFit(model, start.config.hidden_size, range(start.config.num_layers))

    def losses(batch: Batch) -> Losses:
        with torch.no_grad():
            wanted = above(batch.ids, batch.keep, want_hidden=True)
        found = model(batch.ids, batch.keep, want_hidden=True)
        hidden = hidden_loss(student, found, wanted, batch.keep)
        intent, slot = logit_losses(found, wanted, batch.tags != IGNORED)
        return {"loss": hidden + intent + slot, "hidden": hidden, "intent": intent, "slot": slot}

    best = train_on_task(name, task, directory, model, student, settings, losses)
    return replace(start, weights=best, metrics={}, training={})
