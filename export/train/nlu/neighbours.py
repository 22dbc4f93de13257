"""Neighbours of words by the cosine of word vectors (GloVe), the candidates of TinyBERT's data augmentation."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from sottovoce.errors import DataError


def read_word_vectors(path: Path, limit: int = 60_000) -> tuple[list[str], Tensor]:
    """Words and their vectors (words, size) of a GloVe text file, the first `limit` lines (the most frequent words).

    Raises DataError naming the line that does not hold a word and as many numbers as the first.
    """
    words: list[str] = []
    rows: list[list[float]] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in islice(lines, limit):
                word, *numbers = line.rstrip("\r\n").split(" ")
                if len(numbers) != len(rows[0] if rows else numbers) or not numbers:
                    wanted = len(rows[0]) if rows else "some"
                    raise ValueError(f"wanted {wanted} numbers, found {len(numbers)}")
                rows.append([float(value) for value in numbers])
                words.append(word)
    except ValueError as error:
        raise DataError(f"{path}: line {len(rows) + 1}: {error}") from None
    if not rows:
        raise DataError(f"{path}: wanted word vectors, it is empty")
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
