"""SpecAugment and gain, on the fly (Park et al., Interspeech 2019; no time warp, as in Huang et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AugmentConfig:
    """Masks: how many and how wide at most."""

    time_masks: int = 2
    time_width: int = 12  # frames
    time_share: float = 0.05  # of the utterance a mask may cover at most
    freq_masks: int = 2
    freq_width: int = 14  # mels
    gain_db: float = 10.0  # up or down; in log-mel power a constant
    lead_frames: int = (
        7  # put before an utterance at most, its own first ones mirrored: speech begins anywhere in a frame
    )
    label_mask: float = 0.05  # share of predictor inputs replaced by blank, so that the encoder carries its weight


def augment(features: Tensor, lengths: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Return normalised features with random bands and spans zeroed (0 is the mean).

    features: (batch, frames, mels); lengths: (batch). Every draw comes from `generator`.
    """
    batch, frames, mels = features.shape
    keep = torch.ones_like(features)
    time, freq = torch.arange(frames), torch.arange(mels)
    for _ in range(config.time_masks):
        widest = torch.clamp(lengths * config.time_share, max=config.time_width)
        width = torch.rand(batch, generator=generator) * (widest + 1)
        start = torch.rand(batch, generator=generator) * (lengths - width).clamp(min=0)
        span = (time >= start.floor()[:, None]) & (time < (start.floor() + width.floor())[:, None])
        keep *= ~span[:, :, None]
    for _ in range(config.freq_masks):
        width = torch.rand(batch, generator=generator) * (config.freq_width + 1)
        start = torch.rand(batch, generator=generator) * (mels - width)
        band = (freq >= start.floor()[:, None]) & (freq < (start.floor() + width.floor())[:, None])
        keep *= ~band[:, None, :]
    return features * keep


def random_gain(lengths: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Return what to add to log-mel power features of each utterance, (batch, 1, 1)."""
    decibel = (torch.rand(len(lengths), generator=generator) * 2 - 1) * config.gain_db
    return (decibel * 0.2302585).view(-1, 1, 1)  # ln 10 / 10
