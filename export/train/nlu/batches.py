"""Utterances to batches: labels aligned to first pieces, batches of similar length so that little is padding."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.train.nlu.tokenization import WordTokenizer

IGNORED = -100  # tag id of pieces that carry no tag


@dataclass
class Labels:
    """The label sets. A training intent `a#b` means both a and b hold: only single intents are classes."""

    intents: list[str]
    tags: list[str]

    @classmethod
    def collect(cls, utterances: Sequence[Utterance]) -> Labels:
        """Sorted single intents, `O` first, then B- and I- of every slot in the data."""
        intents = sorted({part for utterance in utterances for part in utterance.intent.split("#")})
        names = sorted({tag[2:] for utterance in utterances for tag in utterance.tags if tag != "O"})
        return cls(intents, ["O"] + [f"{prefix}-{name}" for name in names for prefix in "BI"])


@dataclass
class Example:
    """One utterance in ids. `intent` is a distribution; `in_scope` is False for outliers, which belong to no intent."""

    ids: list[int]
    tags: list[int]  # one a piece, IGNORED except on the first piece of each word
    intent: list[float]
    in_scope: bool = True


@dataclass
class Batch:
    """A padded batch of examples."""

    ids: Tensor  # (batch, tokens) int64
    keep: Tensor  # (batch, tokens) float32, 0 at padding
    tags: Tensor  # (batch, tokens) int64, IGNORED where no tag sits
    intent: Tensor  # (batch, num_intents) float32
    in_scope: Tensor  # (batch) float32


def encode_words(words: Sequence[str], tokenizer: WordTokenizer, max_pieces: int) -> tuple[list[int], list[int]]:
    """Ids with [CLS] and [SEP], and the position of each word's first piece (-1 if it has none or was cut off)."""
    ids, firsts = [tokenizer.cls_id], []
    for word in words:
        pieces = tokenizer.word_ids(word)
        fits = pieces and len(ids) + len(pieces) < max_pieces
        firsts.append(len(ids) if fits else -1)
        if fits:
            ids.extend(pieces)
    return [*ids, tokenizer.sep_id], firsts


class Encoder:
    """Turns utterances and plain outlier sentences into examples."""

    def __init__(self, tokenizer: WordTokenizer, labels: Labels, max_pieces: int = 96) -> None:
        self.tokenizer, self.labels, self.max_pieces = tokenizer, labels, max_pieces
        self._intents = {name: number for number, name in enumerate(labels.intents)}
        self._tags = {name: number for number, name in enumerate(labels.tags)}

    def utterance(self, utterance: Utterance) -> Example:
        """Labels unknown to the training set (they occur in test sets) become all-zero intents and `O`."""
        ids, firsts = encode_words(utterance.words, self.tokenizer, self.max_pieces)
        tags = [IGNORED] * len(ids)
        for first, tag in zip(firsts, utterance.tags, strict=True):
            if first >= 0:
                tags[first] = self._tags.get(tag, 0)
        parts = [part for part in utterance.intent.split("#") if part in self._intents]
        intent = [0.0] * len(self._intents)
        for part in parts:
            intent[self._intents[part]] = 1.0 / len(parts)
        return Example(ids, tags, intent)

    def outlier(self, text: str) -> Example:
        """A sentence of no intent: uniform intent distribution, every word `O`."""
        words = text.split()
        example = self.utterance(Utterance(words, ["O"] * len(words), ""))
        count = len(self._intents)
        return Example(example.ids, example.tags, [1.0 / count] * count, in_scope=False)


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """Pads to the longest example."""
    width = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), width), pad_id, dtype=torch.int64)
    tags = torch.full((len(examples), width), IGNORED, dtype=torch.int64)
    keep = torch.zeros(len(examples), width)
    for row, example in enumerate(examples):
        count = len(example.ids)
        ids[row, :count] = torch.tensor(example.ids)
        tags[row, :count] = torch.tensor(example.tags)
        keep[row, :count] = 1.0
    intent = torch.tensor([example.intent for example in examples])
    return Batch(ids, keep, tags, intent, torch.tensor([float(example.in_scope) for example in examples]))


def bucketed(examples: Sequence[Example], batch_size: int, rng: random.Random, pool: int = 40) -> list[list[Example]]:
    """Shuffled batches whose examples have nearly equal length: shuffle, sort within pools of batches, shuffle batches."""
    order = list(examples)
    rng.shuffle(order)
    batches = []
    for start in range(0, len(order), batch_size * pool):
        group = sorted(order[start : start + batch_size * pool], key=lambda example: len(example.ids))
        batches += [group[at : at + batch_size] for at in range(0, len(group), batch_size)]
    rng.shuffle(batches)
    return batches
