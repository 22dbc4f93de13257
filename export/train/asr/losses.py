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
    index = F.pad(targets, (0, 1), value=blank)[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    total = logits.float().logsumexp(-1)
    # The lattice is small: float64 makes the cumulative sums below safe for any length.
    stay = (logits[..., blank] - total).double()  # (batch, frames, labels + 1): log P(blank), on to the next frame
    emit = (logits.gather(-1, index).squeeze(-1) - total).double()[..., :-1]  # log P(next label), same frame
    # alpha(t, u) = logaddexp(alpha(t - 1, u) + stay(t - 1, u), alpha(t, u - 1) + emit(t, u - 1)), a whole row t at once:
    # with c = cumulative sum of emit(t), alpha(t, u) = c(u) + log sum_{k <= u} exp(alpha(t - 1, k) + stay(t - 1, k) - c(k)).
    climbs = F.pad(emit.cumsum(-1), (1, 0)).unbind(1)
    stays = stay.unbind(1)
    rows = [climbs[0]]
    for t in range(1, len(climbs)):
        rows.append(climbs[t] + torch.logcumsumexp(rows[-1] + stays[t - 1] - climbs[t], -1))
    final = torch.stack([row + step for row, step in zip(rows, stays, strict=True)], 1)
    batch = torch.arange(len(final), device=final.device)
    return -final[batch, logit_lengths.long() - 1, target_lengths.long()].float()


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
