"""Which utterances an epoch sees and how they share batches. All draws follow from the seed and the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sottovoce.export.train.asr.feature_cache import CachedCorpus


@dataclass(frozen=True)
class Item:
    """One variant of one utterance."""

    corpus: int
    utterance: int
    copy: int
    frames: int


def epoch_batches(
    corpora: Sequence[CachedCorpus],
    epoch: int,
    *,
    batch_frames: int,
    seed: int,
    short_first_frames: int = 0,
    clean: bool = False,
) -> list[list[Item]]:
    """Return the batches of an epoch.

    Each corpus gives weight x its utterances (whole rounds, the rest drawn without replacement). Utterances of like length
    share a batch of about `batch_frames` feature frames, padding included. Batches come in random order, except in epoch 0
    where utterances up to `short_first_frames` frames go first (Amodei et al., 2016: SortaGrad, by halves). `clean` takes the
    first variant of every utterance, the recording as it is.
    """
    rng = np.random.default_rng([seed, epoch])
    items: list[Item] = []
    for number, corpus in enumerate(corpora):
        whole, part = divmod(corpus.weight, 1.0)
        drawn = np.concatenate(
            [np.tile(np.arange(len(corpus)), int(whole)), rng.permutation(len(corpus))[: round(part * len(corpus))]]
        ).astype(np.int64)
        copies = rng.integers(1 if clean else corpus.copies, size=len(drawn))
        for utterance, copy in zip(drawn.tolist(), copies.tolist(), strict=True):
            items.append(Item(number, utterance, copy, corpus.length(utterance, copy)))
    jitter = rng.uniform(0.95, 1.05, len(items))  # so that neighbours differ between epochs
    order = np.argsort([item.frames * j for item, j in zip(items, jitter, strict=True)], kind="stable")
    batches: list[list[Item]] = []
    batch: list[Item] = []
    longest = 0
    for index in order.tolist():
        item = items[index]
        if batch and max(longest, item.frames) * (len(batch) + 1) > batch_frames:
            batches.append(batch)
            batch, longest = [], 0
        batch.append(item)
        longest = max(longest, item.frames)
    if batch:
        batches.append(batch)
    shuffled = [batches[i] for i in rng.permutation(len(batches))]
    if epoch == 0 and short_first_frames:
        shuffled.sort(key=lambda b: max(item.frames for item in b) > short_first_frames)
    return shuffled
