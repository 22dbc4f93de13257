"""Neighbours of words by the cosine of word vectors (GloVe), the candidates of TinyBERT's data augmentation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor


def read_word_vectors(path: Path, limit: int = 60_000) -> tuple[list[str], Tensor]:
    """Words and their vectors (words, size) of a GloVe text file, the first `limit` lines (the most frequent words).

    Raises ValueError naming the line that does not hold a word and as many numbers as the first.
    """
    words: list[str] = []
    rows: list[list[float]] = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            if number > limit:
                break
            word, *numbers = line.rstrip("\n").split(" ")
            if rows and len(numbers) != len(rows[0]):
                raise ValueError(f"{path}: line {number}: wanted {len(rows[0])} numbers, found {len(numbers)}")
            words.append(word)
            rows.append([float(value) for value in numbers])
    return words, torch.tensor(rows)


def nearest_words(
    wanted: Iterable[str], words: list[str], vectors: Tensor, *, count: int = 10, at_least: float = 0.6
) -> dict[str, list[str]]:
    """For each wanted word that has a vector, up to `count` other alphabetic words of cosine >= `at_least`."""
    index = {word: number for number, word in enumerate(words)}
    known = sorted({word for word in wanted if word in index and word.isalpha()})
    if not known:
        return {}
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    alphabetic = torch.tensor([float(word.isalpha()) for word in words])
    found: dict[str, list[str]] = {}
    for start in range(0, len(known), 512):
        chosen = known[start : start + 512]
        rows = torch.tensor([index[word] for word in chosen])
        cosines = (unit[rows] @ unit.t()) * alphabetic
        cosines[torch.arange(len(chosen)), rows] = -1.0
        best = cosines.topk(min(count, len(words)))
        for word, values, places in zip(chosen, best.values.tolist(), best.indices.tolist(), strict=True):
            near = [words[place] for value, place in zip(values, places, strict=True) if value >= at_least]
            if near:
                found[word] = near
    return found
