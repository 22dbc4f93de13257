"""Utterances side by side, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sottovoce.export.models.transducer import BLANK
from sottovoce.export.train.asr.augment import AugmentConfig, augment, random_gain
from sottovoce.export.train.asr.feature_cache import CachedCorpus
from sottovoce.export.train.asr.sampler import Item


@dataclass(frozen=True)
class Batch:
    """Padded utterances."""

    items: Sequence[Item]  # (batch)
    features: Tensor  # (batch, frames, mels), normalised, 0 beyond each end
    lengths: Tensor  # (batch), frames
    targets: Tensor  # (batch, labels), blank beyond each end
    target_lengths: Tensor  # (batch)
    inputs: Tensor  # (batch, labels): targets as the predictor sees them, some masked
    leads: Tensor  # (batch), frames put before each recording

    def rows(self, chosen: Sequence[int]) -> Batch:
        """Return some of the utterances, padded as before."""
        tensors = (self.features, self.lengths, self.targets, self.target_lengths, self.inputs, self.leads)
        return Batch([self.items[row] for row in chosen], *(tensor[list(chosen)] for tensor in tensors))


def collate(
    items: Sequence[Item],
    corpora: Sequence[CachedCorpus],
    targets: Sequence[Sequence[Sequence[int]]],
    normalize: Callable[[Tensor], Tensor],
    augmentation: AugmentConfig | None,
    generator: torch.Generator,
    *,
    clean: bool = False,
) -> Batch:
    """Return a batch; all draws come from `generator`.

    targets: label ids by corpus and utterance; normalize: from log-mel features to what the encoder is fed; clean: no feature
    is masked.
    """
    recorded = torch.tensor([item.frames for item in items])
    gain, leads = torch.zeros(len(items), 1, 1), torch.zeros_like(recorded)
    if augmentation is not None:
        gain = random_gain(recorded, augmentation, generator)
        leads = torch.randint(augmentation.lead_frames + 1, recorded.shape, generator=generator).minimum(recorded - 1)
    lengths = recorded + leads
    features = torch.zeros(len(items), int(lengths.max()), corpora[0].frames.shape[1])
    for row, item in enumerate(items):
        frames = torch.from_numpy(corpora[item.corpus].features(item.utterance, item.copy).astype(np.float32))
        lead = frames[1 : int(leads[row]) + 1].flip(0)
        features[row, : int(lengths[row])] = normalize(torch.cat([lead, frames]) + gain[row])
    ids = [targets[item.corpus][item.utterance] for item in items]
    labels = torch.full((len(ids), max(map(len, ids))), BLANK)
    for row, each in enumerate(ids):
        labels[row, : len(each)] = torch.tensor(each)
    inputs = labels
    if augmentation is not None:
        if not clean:
            features = augment(features, lengths, augmentation, generator)
        masked = torch.rand(labels.shape, generator=generator) < augmentation.label_mask
        inputs = labels.masked_fill(masked, BLANK)
    return Batch(items, features, lengths, labels, torch.tensor([len(each) for each in ids]), inputs, leads)
