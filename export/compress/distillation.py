"""Distillation losses (TinyBERT, Jiao et al. 2020, equations 7 to 10) between two joint BERTs.

Each is divided by the mean square of its target, so layers and kinds weigh alike whatever the teacher's scale is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sottovoce.export.models.bert import BertOutput, JointModel


class StudentWithFit(nn.Module):
    """A student and the learned map from its states to the teacher's (`fit_dense` of TinyBERT); identity when sizes agree.

    model: the student; layers[i] is the teacher layer (0-based) that student layer i imitates.
    """

    def __init__(
        self, model: JointModel, teacher_hidden: int, layers: Sequence[int], basis: Tensor | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.layers = list(layers)
        self.fit: nn.Linear | None = None
        if teacher_hidden != model.config.hidden_size or basis is not None:
            self.fit = nn.Linear(model.config.hidden_size, teacher_hidden)
            nn.init.zeros_(self.fit.bias)
            if basis is not None:
                self.fit.weight.data.copy_(basis)

    def to_teacher(self, hidden: Tensor) -> Tensor:
        """Student states (..., student hidden) in the teacher's space (..., teacher hidden)."""
        return hidden if self.fit is None else self.fit(hidden)


def relative_error(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean square error over weighted mean square of the target; weight broadcasts over the last axis."""
    error = ((found - wanted).square() * weight).sum()
    return error / ((wanted.square() * weight).sum() + 1e-6)


def hidden_loss(student: StudentWithFit, found: BertOutput, wanted: BertOutput, keep: Tensor) -> Tensor:
    """Embedding output and layer outputs, averaged over layers; keep: (batch, tokens)."""
    pairs = [(found.hidden[0], wanted.hidden[0])]
    pairs += [(found.hidden[index + 1], wanted.hidden[layer + 1]) for index, layer in enumerate(student.layers)]
    weight = keep.unsqueeze(-1)
    return torch.stack([relative_error(student.to_teacher(a), b, weight) for a, b in pairs]).mean()


def attention_loss(student: StudentWithFit, found: BertOutput, wanted: BertOutput, keep: Tensor) -> Tensor:
    """Attention scores before the softmax. A shift of a whole row changes no attention, so rows are centred first."""
    weight = (keep[:, None, :, None] * keep[:, None, None, :]).expand_as(found.scores[0])
    count = keep.sum(-1).clamp_min(1)[:, None, None, None]

    def centred(scores: Tensor) -> Tensor:
        return scores - (scores * keep[:, None, None, :]).sum(-1, keepdim=True) / count

    errors = [
        relative_error(centred(found.scores[index]), centred(wanted.scores[layer]), weight)
        for index, layer in enumerate(student.layers)
    ]
    return torch.stack(errors).mean()


def soft_cross_entropy(found: Tensor, wanted: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence of the teacher's distribution to the student's, mean over rows; logits (rows, classes)."""
    target = (wanted / temperature).log_softmax(-1)
    each = (target.exp() * (target - (found / temperature).log_softmax(-1))).sum(-1)
    return each.mean() * temperature**2


def logit_losses(
    found: BertOutput, wanted: BertOutput, tagged: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """(intent, slot) divergence from the teacher; `tagged` (batch, tokens) bool picks the pieces that carry a tag."""
    intent = soft_cross_entropy(found.intent_logits, wanted.intent_logits, temperature)
    slot = soft_cross_entropy(found.slot_logits[tagged], wanted.slot_logits[tagged], temperature)
    return intent, slot
