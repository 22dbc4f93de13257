"""What the stages minimize: the labels' cross-entropies, and a teacher's states, attention and logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sottovoce.export.compress.distillation import StudentWithFit, attention_loss, hidden_loss, logit_losses
from sottovoce.export.models.bert import BertOutput, JointBert
from sottovoce.export.models.mpnet_joint import JointMpnet
from sottovoce.export.train.nlu.batches import IGNORED, Batch
from sottovoce.export.train.nlu.loop import Losses

LABEL_WEIGHT = 0.3  # of the cross-entropy to the true labels, beside the teacher's distributions
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


def distillation_losses(
    student: StudentWithFit, teacher: JointBert | JointMpnet, batch: Batch, *, logits: bool
) -> Losses:
    """Intermediate losses, and with `logits` the divergences from the teacher and the labels' own cross-entropy."""
    with torch.no_grad():
        wanted = teacher(batch.ids, batch.keep, want_hidden=True, want_scores=True)
    found = student.model(batch.ids, batch.keep, want_hidden=True, want_scores=True)
    hidden = hidden_loss(student, found, wanted, batch.keep)
    attention = attention_loss(student, found, wanted, batch.keep)
    losses = {"loss": hidden + attention, "hidden": hidden, "attention": attention}
    if logits:
        intent, slot = logit_losses(found, wanted, batch.tags != IGNORED)
        labels = supervised_losses(found, batch)["loss"]
        losses |= {"intent": intent, "slot": slot, "labels": labels}
        losses["loss"] = losses["loss"] + intent + slot + LABEL_WEIGHT * labels
    return losses
