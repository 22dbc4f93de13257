"""The data side of a task, shared by its stages: utterances, outliers, encoding, the batches of an epoch."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sottovoce.export.data import Utterance, load_dataset
from sottovoce.export.train.nlu.augmentation import Augmenter
from sottovoce.export.train.nlu.batches import Batch, Encoder, Labels, bucketed, collate
from sottovoce.export.train.nlu.tokenization import WordTokenizer


@dataclass
class Task:
    """Labelled utterances by split, sentences out of scope, and how they become batches."""

    splits: dict[str, list[Utterance]]
    labels: Labels
    encoder: Encoder
    augmenter: Augmenter
    outliers: list[str] = field(default_factory=list)
    outlier_share: float = 0.08  # of the training utterances, added to every epoch
    batch_size: int = 32

    def batches(self, epoch: int, seed: int, *, augment: bool = True, copies: int = 1) -> list[Batch]:
        """Training batches of one epoch, a function of (seed, epoch) alone; `copies` variants of every utterance."""
        rng = random.Random(f"{seed} {epoch}")
        chosen = self.splits["train"] * copies
        if augment:
            chosen = [self.augmenter.vary(utterance, rng) for utterance in chosen]
        examples = [self.encoder.utterance(utterance) for utterance in chosen]
        if self.outliers:
            count = min(len(self.outliers), round(len(chosen) * self.outlier_share))
            examples += [self.encoder.outlier(text) for text in rng.sample(self.outliers, count)]
        pad_id = self.encoder.tokenizer.pad_id
        return [collate(group, pad_id) for group in bucketed(examples, self.batch_size, rng)]


def load_task(
    data: Path,
    tokenizer: WordTokenizer,
    *,
    outliers: Sequence[str] = (),
    neighbours: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> Task:
    """Reads a data set of any supported format; labels come from the training split. Raises as `load_dataset`."""
    splits = load_dataset(data, seed=seed)
    labels = Labels.collect(splits["train"])
    return Task(
        splits=splits,
        labels=labels,
        encoder=Encoder(tokenizer, labels),
        augmenter=Augmenter.collect(splits["train"], neighbours),
        outliers=list(outliers),
    )
