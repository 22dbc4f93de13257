"""What a recognizer makes of sentences, with the sentences' slot labels carried over: training text for a parser."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.train.asr.manifest import Floats
from sottovoce.export.train.assistant.intents import Sentence

EXCHANGE = 1.6  # of words with nothing in common: less than leaving one out and putting one in


def align_words(wanted: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of places in `wanted` and `heard`, -1 for none, of an alignment with the fewest letter changes.

    Exchanging two words costs what their letters differ (0 to EXCHANGE), leaving out or putting in a word costs 1.
    """
    rows, columns = len(wanted) + 1, len(heard) + 1
    cost = np.zeros((rows, columns))
    cost[:, 0], cost[0, :] = np.arange(rows), np.arange(columns)
    for i in range(1, rows):
        for j in range(1, columns):
            exchange = cost[i - 1, j - 1] + EXCHANGE * letter_distance(wanted[i - 1], heard[j - 1])
            cost[i, j] = min(exchange, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs, i, j = [], rows - 1, columns - 1
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + EXCHANGE * letter_distance(wanted[i - 1], heard[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((i, -1))
        else:
            j -= 1
            pairs.append((-1, j))
    return pairs[::-1]


def letter_distance(first: str, second: str) -> float:
    """Return the edit distance of two words, divided by the longer one's letters: 0 for equal, 1 for nothing in common."""
    if first == second:
        return 0.0
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            previous, row[j] = row[j], min(previous + (letter != other), row[j] + 1, row[j - 1] + 1)
    return row[-1] / max(len(first), len(second), 1)


def carry_labels(sentence: Sentence, heard: str) -> Utterance | None:
    """Return `heard` with the tags of `sentence`; None when nothing was heard.

    A word keeps the slot of the word it stands for; one put in between two words of a value belongs to the value.
    """
    words = heard.split()
    if not words:
        return None
    slots: list[tuple[str, int]] = [("", -1)] * len(words)  # (slot, number of the value)
    value = -1
    owners: list[tuple[str, int]] = []
    for tag in sentence.tags:
        value += tag.startswith("B-")
        owners.append((tag[2:], value) if tag != "O" else ("", -1))
    for i, j in align_words(sentence.words, words):
        if i >= 0 and j >= 0:
            slots[j] = owners[i]
    for j in range(1, len(words) - 1):
        if slots[j] == ("", -1) and slots[j - 1] == slots[j + 1] != ("", -1):
            slots[j] = slots[j - 1]
    tags = []
    for j, (slot, number) in enumerate(slots):
        inside = j > 0 and slots[j - 1] == (slot, number)
        tags.append(("I-" if inside else "B-") + slot if slot else "O")
    return Utterance(words, tags, sentence.intent)


def confused_utterances(
    sentences: Sequence[Sentence], audio: Iterator[Floats], transcribe: Callable[[Floats], str]
) -> Iterator[Utterance]:
    """Yield what `transcribe` hears of each sentence's samples, labelled."""
    for sentence, samples in zip(sentences, audio, strict=True):
        utterance = carry_labels(sentence, transcribe(samples))
        if utterance is not None:
            yield utterance


def spelling_noise(utterance: Utterance, rng: random.Random, share: float = 0.1) -> Utterance:
    """Return a copy in which words lose or change letters now and then, as a recognizer's spelling does."""
    words = []
    for word in utterance.words:
        letters = list(word)
        if len(letters) > 2 and rng.random() < share:
            place = rng.randrange(len(letters))
            kind = rng.random()
            if kind < 0.4:
                del letters[place]
            elif kind < 0.7:
                letters[place] = rng.choice("aeiourstln")
            else:
                letters.insert(place, rng.choice("aeiourstln"))
        words.append("".join(letters))
    return Utterance(words, list(utterance.tags), utterance.intent)
