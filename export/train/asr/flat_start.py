"""A flat start, as for hidden Markov models (Young et al., The HTK Book): labels spread evenly over the speech.

CTC and transducer losses stay on a plateau until an alignment emerges, which takes a small machine longer than all the rest.
Frame by frame against a guessed alignment the encoder learns sounds at once; CTC then corrects the guess.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SPEECH_LEVEL = 0.35  # between the quietest and the loudest frame of an utterance, as mean of its mels
DELAY = 1  # encoder frames by which labels come late, so that a frame has heard its label


def spread_labels(
    features: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, durations: Tensor, stride: int
) -> Tensor:
    """Return a label for every encoder frame: blank (0) outside speech, the labels in order inside, -100 beyond the end.

    Args:
        features: (batch, frames, mels); lengths: (batch).
        targets: (batch, labels); target_lengths: (batch).
        durations: (vocab), how long a symbol lasts, in any unit.
        stride: feature frames an encoder frame.
    """
    energy = features.mean(-1)
    count = -(-features.shape[1] // stride)
    result = torch.full((len(features), count), -100)
    for row in range(len(features)):
        level = energy[row, : lengths[row]]
        threshold = level.min() + SPEECH_LEVEL * (level.max() - level.min())
        loud = torch.nonzero(level >= threshold).flatten()
        labels = targets[row, : target_lengths[row]]
        ends = durations[labels].cumsum(0)
        used = -(-int(lengths[row]) // stride)
        middle = (torch.arange(used) - DELAY + 0.5) * stride  # of encoder frames, in feature frames
        start, end = float(loud[0]), float(loud[-1]) + 1
        place = (middle - start) / max(end - start, 1.0)
        index = torch.searchsorted(ends / ends[-1], place.clamp(0, 1)).clamp(max=len(labels) - 1)
        result[row, :used] = torch.where((place >= 0) & (place < 1), labels[index], torch.zeros_like(labels[index]))
    return result


def flat_start_loss(log_probs: Tensor, spread: Tensor) -> Tensor:
    """Return the mean cross-entropy a frame. log_probs: (batch, frames, vocab); spread: (batch, frames), -100 ignored."""
    return F.nll_loss(log_probs.flatten(0, 1), spread.flatten(), ignore_index=-100)
