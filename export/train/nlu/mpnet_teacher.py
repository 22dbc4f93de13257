"""Stage 0, only with an MPNet teacher: fine-tune MPNet; the BERT encoder then learns from it as a teacher assistant.

MPNet's shape (12 layers, 768 wide, relative bias) differs too much from a 4 x 312 student's for a good start by projection, so
knowledge goes MPNet -> BERT of the backbone's shape -> student (teacher assistant: Mirzadeh et al. 2020, arXiv 1902.03393).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from sottovoce.errors import InvalidInputError
from sottovoce.export import importers
from sottovoce.export.models.mpnet_joint import JointMpnet
from sottovoce.export.train.nlu import replicas
from sottovoce.export.train.nlu.batches import Batch
from sottovoce.export.train.nlu.loop import LoopSettings, Losses
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import supervised_losses
from sottovoce.export.train.nlu.task_stage import train_on_task


def fine_tune_mpnet(task: Task, weights: Path, directory: Path, settings: LoopSettings) -> JointMpnet:
    """Train (or resume, or read where it is finished) MPNet with joint heads; the one with the best validation score.

    Args:
        weights: a Hugging Face directory of MPNet.
        directory: receives best.pt, and labels.json when finished.

    Raises:
        DataError: not an MPNet, or of another vocabulary family. InvalidInputError: `directory` is of other labels.
    """
    torch.manual_seed(settings.seed)
    spec = importers.load(weights).spec
    labels = [task.labels.intents, task.labels.tags]
    model = JointMpnet.from_spec(spec, task.encoder.tokenizer.pieces, len(labels[0]), len(labels[1]), dropout=0.1)
    marker = directory / "labels.json"
    if marker.exists():
        if json.loads(marker.read_text(encoding="utf-8")) != labels:
            raise InvalidInputError(f"{directory}: its labels are not those of the data")
        model.load_state_dict(torch.load(directory / "best.pt", weights_only=True))
        return model

    def losses(batch: Batch) -> Losses:
        return supervised_losses(model(batch.ids, batch.keep), batch)

    best = train_on_task("MPNet teacher", task, directory, model, model, settings, losses)
    model.load_state_dict(best)
    if replicas.is_writer():
        marker.write_text(json.dumps(labels), encoding="utf-8")
    return model
