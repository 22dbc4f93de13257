"""Distillation of a transducer: a teacher of the same shape, its hidden states and its distributions where they matter.

Hidden states follow TinyBERT (Jiao et al., 2020) and TernaryBERT (Zhang et al., 2020). A transducer's distributions fill a
lattice of frames x labels (Panchapagesan et al., 2021, sum over all of it); here a node counts as often as the teacher's
alignments of the transcript pass it, which leaves few nodes, each with its whole distribution.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sottovoce.errors import InvalidInputError
from sottovoce.export.compress.distillation import relative_error
from sottovoce.export.models.transducer import ConvSpec, Layer, Transducer, TransducerConfig
from sottovoce.export.train.asr.batches import Batch
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.losses import node_visits

Hidden = dict[str, Tensor]  # by the module that made it, (batch, time, width)
RARE = 0.01  # visits below which a node is left out


def record_hidden(model: Transducer) -> Hidden:
    """Return a dictionary that every forward pass fills: the outputs of Transformer layers and final norms."""
    hidden: Hidden = {}

    def record(name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
        hidden[name] = output

    for name, module in model.named_modules():
        if isinstance(module, Layer) or name in ("encoder.norm", "predictor.norm"):
            module.register_forward_hook(partial(record, name))
    return hidden


@dataclass(frozen=True)
class Lesson:
    """What a teacher says about a batch."""

    hidden: Hidden
    counts: dict[str, Tensor]  # (batch): how many of a hidden state's rows are not padding
    nodes: Tensor  # (batch, frames, labels + 1) bool: nodes that count
    visits: Tensor  # (nodes), expected
    log_probs: Tensor  # (nodes, vocab)
    ctc_log_probs: Tensor | None  # (batch, frames, vocab)

    def hidden_error(self, found: Hidden) -> Tensor:
        """Square error of hidden states relative to the teacher's, mean over layers."""
        errors = []
        for name, wanted in self.hidden.items():
            keep = _within(self.counts[name], wanted.shape[1]).unsqueeze(-1)
            errors.append(relative_error(found[name].float(), wanted.float(), keep))
        return torch.stack(errors).mean()

    def divergence(self, logits: Tensor) -> Tensor:
        """Sum over nodes of visits x KL(teacher || student). logits: (batch, frames, labels + 1, vocab)."""
        found = logits[self.nodes].float().log_softmax(-1)
        return (_kl(found, self.log_probs) * self.visits).sum()

    def ctc_divergence(self, log_probs: Tensor) -> Tensor:
        """Sum over frames of KL(teacher || student); 0 when the teacher has no CTC head. log_probs: (batch, frames, vocab)."""
        if self.ctc_log_probs is None:
            return torch.zeros(())
        keep = _within(self.counts["encoder.norm"], log_probs.shape[1])
        return (_kl(log_probs, self.ctc_log_probs) * keep).sum()


def _kl(found: Tensor, wanted: Tensor) -> Tensor:
    return (wanted.exp() * (wanted - found)).sum(-1)


def _within(counts: Tensor, size: int) -> Tensor:
    return (torch.arange(size) < counts.unsqueeze(-1)).float()


class Teacher:
    """A trained network in float, without dropout, with the CTC head it was trained with."""

    def __init__(self, checkpoint: Checkpoint, *, bfloat16: bool = False) -> None:
        """Averaged weights are taken. bfloat16: compute matrix products so."""
        self.model = checkpoint.model().requires_grad_(False)
        self._hidden = record_hidden(self.model)
        self._bfloat16 = bfloat16
        self._ctc: nn.Linear | None = None
        if "ctc" in checkpoint.training:
            config = checkpoint.config
            self._ctc = nn.Linear(config.blocks[-1].model_dim, config.vocab_size).requires_grad_(False)
            self._ctc.load_state_dict(checkpoint.training["ctc"])

    @torch.no_grad()
    def lesson(self, batch: Batch) -> Lesson:
        """Run the network on what the student sees."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            encoded, frames = self.model.encoder(batch.features, batch.lengths)
            logits = self.model.join(encoded, batch.inputs)
            ctc = self._ctc(encoded) if self._ctc is not None else None
        visits = node_visits(logits, batch.targets, frames, batch.target_lengths)
        nodes = visits > RARE
        return Lesson(
            dict(self._hidden),
            {name: _count(name, self.model.config, batch) for name in self._hidden},
            nodes,
            visits[nodes],
            logits[nodes].float().log_softmax(-1),
            None if ctc is None else ctc.float().log_softmax(-1),
        )


def _count(name: str, config: TransducerConfig, batch: Batch) -> Tensor:
    """Rows of a hidden state that are not padding, (batch)."""
    if name.startswith("predictor."):
        return batch.target_lengths + 1
    blocks = len(config.blocks) if name == "encoder.norm" else int(name.split(".")[2]) + 1
    stride = 1
    for block in config.blocks[:blocks]:
        for conv in block.convs:
            stride *= ConvSpec.parse(conv).stride_time
    return (batch.lengths + stride - 1).div(stride, rounding_mode="floor")


def require_same_shape(teacher: Checkpoint, config: TransducerConfig, piece_model: bytes) -> None:
    """Raise InvalidInputError unless the teacher has the student's layers and vocabulary."""
    if teacher.piece_model != piece_model:
        raise InvalidInputError("teacher: wanted the student's vocabulary, found another one")
    if dataclasses.replace(teacher.config, dropout=config.dropout) != config:
        raise InvalidInputError(f"teacher: wanted the student's shape {config}, found {teacher.config}")
