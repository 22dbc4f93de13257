"""What a step minimises: transducer and CTC losses, and the distance from a teacher where there is one."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from sottovoce.export.models.transducer import Transducer
from sottovoce.export.train.asr.batches import Batch
from sottovoce.export.train.asr.config import RecipeConfig
from sottovoce.export.train.asr.distillation import Teacher, record_hidden
from sottovoce.export.train.asr.encoder_teacher import EncoderTeacher
from sottovoce.export.train.asr.flat_start import flat_start_loss, spread_labels
from sottovoce.export.train.asr.losses import ctc_loss, transducer_loss

# `spread`: labels spread evenly over the speech guide the encoder; `ctc`: only the encoder learns; `transducer`: everything.
Phase = Literal["spread", "ctc", "transducer"]


class Losses(NamedTuple):
    """Mean losses of a step."""

    transducer: float  # a label; a frame's cross-entropy while labels are spread, 0 while only CTC trains
    ctc: float  # a label
    features: float  # square error to an encoder teacher's features; 0 without one
    hidden: float  # relative square error to the hidden states of the recognizer that is imitated; 0 without one
    divergence: float  # from its distributions, a label


class Objective(nn.Module):
    """A network, its CTC head (not exported) and perhaps teachers."""

    def __init__(
        self,
        model: Transducer,
        ctc: nn.Linear,
        config: RecipeConfig,
        durations: Tensor,
        encoder_teacher: EncoderTeacher | None = None,
        imitated: Teacher | None = None,
    ) -> None:
        """durations: (vocab), how long a symbol lasts, in any unit: for labels spread over the speech."""
        super().__init__()
        self.model, self.ctc, self.config, self.encoder_teacher = model, ctc, config, encoder_teacher
        self._durations, self._imitated = durations, imitated
        self._hidden = record_hidden(model) if imitated is not None else {}

    def forward(self, batch: Batch, phase: Phase, labels: float) -> tuple[Tensor, Tensor]:
        """Return what to minimise and the parts of it, in the order of `Losses`, detached.

        labels: the count that sums over labels are divided by.
        """
        c = self.config
        with torch.autocast("cpu", torch.bfloat16, enabled=c.bfloat16):
            encoded, frames = self.model.encoder(batch.features, batch.lengths)
            log_probs = self.ctc(encoded).float().log_softmax(-1)
        ctc = ctc_loss(log_probs, batch.targets, frames, batch.target_lengths).sum() / labels
        loss = features = hidden = divergence = torch.zeros(())
        total = ctc
        if phase == "spread":
            spread = spread_labels(
                *(batch.features, batch.lengths, batch.targets, batch.target_lengths),
                *(self._durations, self.model.config.stride),
            )
            total = loss = flat_start_loss(log_probs, spread)
        elif phase == "transducer":
            with torch.autocast("cpu", torch.bfloat16, enabled=c.bfloat16):
                logits = self.model.join(encoded, batch.inputs)
            loss = transducer_loss(logits, batch.targets, frames, batch.target_lengths).sum() / labels
            total = loss + c.ctc_weight * ctc
            if self._imitated is not None:
                lesson = self._imitated.lesson(batch)
                hidden = lesson.hidden_error(self._hidden)
                divergence = (lesson.divergence(logits) + c.ctc_weight * lesson.ctc_divergence(log_probs)) / labels
                total = total + c.hidden_weight * hidden + c.divergence_weight * divergence
        if self.encoder_teacher is not None:
            features = self.encoder_teacher.loss(encoded.float(), batch.items, batch.leads)
            total = total + c.teacher_weight * features
        return total, torch.stack([part.detach() for part in (loss, ctc, features, hidden, divergence)])
