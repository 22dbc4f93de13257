"""Data augmentation: slot values swapped between utterances, words replaced by their neighbours (TinyBERT, section 3.3)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.nlu_metrics import slot_spans

_Augmenter = TypeVar("_Augmenter", bound="Augmenter")


@dataclass
class Augmenter:
    """Makes a variant of an utterance; labels stay right because values are swapped within a slot type.

    `values` maps a slot to the distinct values seen in training; `neighbours` maps a word to similar words (may be empty).
    """

    values: Mapping[str, Sequence[Sequence[str]]]
    neighbours: Mapping[str, Sequence[str]] = field(default_factory=dict)
    utterance_share: float = 0.6  # of utterances changed at all
    slot_share: float = 0.6  # of the slots of a changed utterance
    word_share: float = 0.15  # of its words outside slots, when there are neighbours

    @classmethod
    def collect(
        cls: type[_Augmenter], utterances: Sequence[Utterance], neighbours: Mapping[str, Sequence[str]] | None = None
    ) -> _Augmenter:
        """Gathers the slot values of a training set."""
        values: dict[str, dict[tuple[str, ...], None]] = {}
        for utterance in utterances:
            for name, first, last in slot_spans(utterance.tags):
                values.setdefault(name, {})[tuple(utterance.words[first : last + 1])] = None
        return cls({name: list(found) for name, found in values.items()}, neighbours or {})

    def vary(self, utterance: Utterance, rng: random.Random) -> Utterance:
        """A variant, or the utterance itself."""
        if rng.random() >= self.utterance_share:
            return utterance
        words: list[str] = []
        tags: list[str] = []
        spans = {first: (name, last) for name, first, last in slot_spans(utterance.tags)}
        position = 0
        while position < len(utterance.words):
            name, last = spans.get(position, ("", position))
            value: Sequence[str] = utterance.words[position : last + 1]
            if name and rng.random() < self.slot_share:
                value = rng.choice(self.values[name])
            elif not name and rng.random() < self.word_share:
                value = [rng.choice(self.neighbours.get(value[0]) or value)]
            words += value
            tags += [f"B-{name}"] + [f"I-{name}"] * (len(value) - 1) if name else ["O"]
            position = last + 1
        return Utterance(words, tags, utterance.intent)
