"""Stage 3: task distillation. The student imitates the fine-tuned teacher's states and attention, then its logits too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.compress.projection import layer_map, shrink
from sottovoce.export.models.bert import JointBert
from sottovoce.export.train.nlu.batches import Batch, encode_words
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.general import PROJECTION_SENTENCES, StudentShape
from sottovoce.export.train.nlu.loop import LoopSettings, Stage, run_stage
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import distillation_losses


def distil_task(
    task: Task,
    teacher_checkpoint: Checkpoint,
    shape: StudentShape,
    directory: Path,
    settings: LoopSettings,
    *,
    general: tuple[JointBert, Tensor] | None = None,
    intermediate_epochs: int = 1,
) -> Checkpoint:
    """Trains (or resumes) the float32 student and returns its best checkpoint.

    The student starts from the `general` one, or, without it, from the teacher by projection. For `intermediate_epochs` it only
    imitates states and attention; then the logits count too.
    """
    torch.manual_seed(settings.seed)
    teacher = teacher_checkpoint.build().requires_grad_(False).eval()
    config = shape.apply(teacher.config)
    model = JointBert(config)
    if general is None:
        train = task.splits["train"]
        some = torch.randperm(len(train))[:PROJECTION_SENTENCES].tolist()
        encoder = task.encoder
        fitted = [encode_words(train[index].words, encoder.tokenizer, encoder.max_pieces)[0] for index in some]
        shrunk = shrink(teacher, config, fitted)
        model.load_state_dict(shrunk.weights)
        basis = shrunk.basis
    else:
        start, basis = general
        weights = {name: value for name, value in start.state_dict().items() if not name.startswith(("intent", "slot"))}
        for name in ("intent", "slot"):
            # The teacher's head read through the student's map to its states.
            weights[f"{name}.weight"] = teacher.get_parameter(f"{name}.weight").detach() @ basis
            weights[f"{name}.bias"] = teacher.get_parameter(f"{name}.bias").detach()
        model.load_state_dict(weights)
    layers = layer_map(config.num_layers, teacher.config.num_layers)
    student = StudentWithFit(model, teacher.config.hidden_size, layers, basis)
    epoch_now = [0]

    def make_batches(epoch: int) -> list[Batch]:
        epoch_now[0] = epoch
        return task.batches(epoch, settings.seed)

    stage = Stage(
        name="task distillation",
        directory=directory,
        model=model,
        trained=student,
        settings=settings,
        make_batches=make_batches,
        losses=lambda batch: distillation_losses(student, teacher, batch, logits=epoch_now[0] >= intermediate_epochs),
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
    )
    best = run_stage(stage)
    assert best is not None
    return replace(teacher_checkpoint, config=config, weights=best, metrics={}, training={})
