"""The transducer loss (Graves 2012, arXiv 1211.3711) and its helper on the encoder, CTC."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Implementation = Literal["lattice", "torchaudio"]


def transducer_loss(
    logits: Tensor,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
    implementation: Implementation = "lattice",
) -> Tensor:
    """Return -log P(targets) of every utterance, (batch), float32.

    Args:
        logits: (batch, frames, labels + 1, vocab), not normalised.
        targets: (batch, labels); values beyond target_lengths are ignored but must be valid ids.
        logit_lengths, target_lengths: (batch).
        implementation: `lattice` is ours, several times faster on a CPU than `torchaudio`, which tests compare it with.
    """
    if implementation == "torchaudio":
        return _torchaudio_loss(logits, targets, logit_lengths, target_lengths, blank)
    stay, emit = _lattice(logits, targets, blank)
    return _paths_loss(stay, emit, logit_lengths, target_lengths).float()


def node_visits(
    logits: Tensor, targets: Tensor, logit_lengths: Tensor, target_lengths: Tensor, *, blank: int = 0
) -> Tensor:
    """Return how often alignments of the targets pass each node, expected under `logits`; (batch, frames, labels + 1) float32.

    Every path leaves a node once, by blank or by a label, so these are the derivatives of log P(targets). Arguments as of
    `transducer_loss`; no gradient flows.
    """
    with torch.enable_grad():  # type: ignore[no-untyped-call]
        stay, emit = (each.detach().requires_grad_() for each in _lattice(logits, targets, blank))
        loss = _paths_loss(stay, emit, logit_lengths, target_lengths).sum()
        by_stay, by_emit = torch.autograd.grad(loss, (stay, emit))
    return -(by_stay + F.pad(by_emit, (0, 1))).float()


def _lattice(logits: Tensor, targets: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Return log P(blank) of every node, (batch, frames, labels + 1), and log P(next label), (batch, frames, labels)."""
    index = F.pad(targets, (0, 1), value=blank)[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    total = logits.float().logsumexp(-1)
    # The lattice is small: float64 makes the cumulative sums of `_paths_loss` safe for any length.
    stay = (logits[..., blank] - total).double()
    emit = (logits.gather(-1, index).squeeze(-1) - total).double()[..., :-1]
    return stay, emit


def _paths_loss(stay: Tensor, emit: Tensor, logit_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """Return -log of the sum over all paths of the lattice, (batch) float64; blank goes on to the next frame."""
    # alpha(t, u) = logaddexp(alpha(t - 1, u) + stay(t - 1, u), alpha(t, u - 1) + emit(t, u - 1)), a whole row t at once:
    # with c = cumulative sum of emit(t), alpha(t, u) = c(u) + log sum_{k <= u} exp(alpha(t - 1, k) + stay(t - 1, k) - c(k)).
    climbs = F.pad(emit.cumsum(-1), (1, 0)).unbind(1)
    stays = stay.unbind(1)
    rows = [climbs[0]]
    for t in range(1, len(climbs)):
        rows.append(climbs[t] + torch.logcumsumexp(rows[-1] + stays[t - 1] - climbs[t], -1))
    final = torch.stack([row + step for row, step in zip(rows, stays, strict=True)], 1)
    batch = torch.arange(len(final), device=final.device)
    return -final[batch, logit_lengths.long() - 1, target_lengths.long()]


def _torchaudio_loss(
    logits: Tensor, targets: Tensor, logit_lengths: Tensor, target_lengths: Tensor, blank: int
) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 2.9 announces that it will move; this is the one place that calls it
        import torchaudio.functional

        loss: Tensor = torchaudio.functional.rnnt_loss(
            logits.float().contiguous(),
            targets.int().contiguous(),
            logit_lengths.int(),
            target_lengths.int(),
            blank=blank,
            reduction="none",
        )
    return loss


def ctc_loss(log_probs: Tensor, targets: Tensor, lengths: Tensor, target_lengths: Tensor, *, blank: int = 0) -> Tensor:
    """Return the CTC loss of every utterance, (batch); 0 where the frames are too few for the labels.

    log_probs: (batch, frames, vocab), normalised. It shares the encoder with the transducer and makes it align early.
    """
    loss = F.ctc_loss(
        log_probs.transpose(0, 1), targets, lengths, target_lengths, blank, reduction="none", zero_infinity=True
    )
    return loss


def uniform_loss(frames: int, labels: int, vocab: int) -> float:
    """Return the loss of a network that knows nothing: every path of the lattice has the same probability."""
    paths = math.lgamma(frames + labels) - math.lgamma(frames) - math.lgamma(labels + 1)
    return (frames + labels) * math.log(vocab) - paths
