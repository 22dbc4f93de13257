"""Stage 1: fine-tune a teacher (intent and slots jointly) from a pretrained encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from sottovoce.export.models.bert import BertOutput, JointBert
from sottovoce.export.train.nlu.backbone import read_config, read_encoder
from sottovoce.export.train.nlu.batches import IGNORED, Batch
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Losses, Stage, run_stage
from sottovoce.export.train.nlu.task import Task

OUTLIER_WEIGHT = 0.5  # of the uniform-intent loss (Hendrycks et al., "Outlier Exposure", 2019)


def intent_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy to the intent distribution; outliers pull towards the uniform one with less weight."""
    each = -(batch.intent * logits.log_softmax(-1)).sum(-1)
    return (each * torch.where(batch.in_scope > 0, 1.0, OUTLIER_WEIGHT)).mean()


def slot_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy over first pieces."""
    return functional.cross_entropy(logits.flatten(0, 1), batch.tags.flatten(), ignore_index=IGNORED)


def supervised_losses(output: BertOutput, batch: Batch) -> Losses:
    """Both tasks, equal weight."""
    intent, slot = intent_loss(output.intent_logits, batch), slot_loss(output.slot_logits, batch)
    return {"loss": intent + slot, "intent": intent, "slot": slot}


def fine_tune(
    task: Task, backbone: Path, directory: Path, settings: LoopSettings, *, dropout: float = 0.1
) -> Checkpoint:
    """Trains (or resumes) and returns the teacher with the best validation score."""
    torch.manual_seed(settings.seed)
    config = read_config(backbone, len(task.labels.intents), len(task.labels.tags))
    model = JointBert(config, dropout)
    model.load_state_dict(read_encoder(backbone, list(model.state_dict())), strict=False)

    def losses(batch: Batch) -> Losses:
        return supervised_losses(model(batch.ids, batch.keep), batch)

    stage = Stage(
        name="teacher",
        directory=directory,
        model=model,
        trained=model,
        settings=settings,
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=losses,
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
    )
    best = run_stage(stage)
    assert best is not None
    return Checkpoint(config, task.labels.intents, task.labels.tags, task.encoder.tokenizer.pieces, best)
