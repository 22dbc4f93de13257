"""Stage 1: fine-tune a teacher (intent and slots jointly) from a pretrained encoder."""

from __future__ import annotations

from pathlib import Path

import torch

from sottovoce.errors import InvalidInputError
from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.compress.projection import layer_map
from sottovoce.export.models.bert import JointBert
from sottovoce.export.models.mpnet_joint import JointMpnet
from sottovoce.export.train.nlu.backbone import load_backbone
from sottovoce.export.train.nlu.batches import Batch
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.loop import LoopSettings, Losses
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import distillation_losses, supervised_losses
from sottovoce.export.train.nlu.task_stage import train_on_task


def fine_tune(
    task: Task,
    backbone: Path,
    directory: Path,
    settings: LoopSettings,
    *,
    dropout: float = 0.1,
    mpnet: JointMpnet | None = None,
) -> Checkpoint:
    """Trains (or resumes) and returns the teacher with the best validation score; with `mpnet`, it also imitates that one.

    Raises InvalidInputError when the attention heads of the two differ in number, and what `load_backbone` raises.
    """
    torch.manual_seed(settings.seed)
    model = load_backbone(backbone, len(task.labels.intents), len(task.labels.tags), dropout)
    config = model.config
    trained: JointBert | StudentWithFit = model
    if mpnet is not None:
        above = mpnet.requires_grad_(False).eval()
        heads = above.encoder.config.num_heads
        if heads != config.num_heads:
            raise InvalidInputError(
                f"{backbone}: wanted the {heads} attention heads of MPNet, found {config.num_heads}"
            )
        layers = layer_map(config.num_layers, above.encoder.config.num_layers)
        trained = StudentWithFit(model, above.encoder.config.hidden_size, layers)

    def losses(batch: Batch) -> Losses:
        if isinstance(trained, StudentWithFit):
            assert mpnet is not None
            return distillation_losses(trained, mpnet, batch, logits=True)
        return supervised_losses(model(batch.ids, batch.keep), batch)

    best = train_on_task("teacher", task, directory, model, trained, settings, losses)
    words = task.encoder.tokenizer
    return Checkpoint(config, task.labels.intents, task.labels.tags, words.pieces, best, tokenizer=dict(words.settings))
