"""Sentences to speak: from text files, and new ones by exchanging slot values between labelled sentences."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sottovoce.export.synthesis.spoken_form import spoken_form


def spoken_sentences(lines: Iterable[str], *, min_words: int = 2, max_words: int = 14) -> list[str]:
    """Return the lines in spoken form, each once, sorted; without those that no rule can say or of another length."""
    spoken = {text for line in lines if (text := spoken_form(line))}
    return sorted(text for text in spoken if min_words <= len(text.split()) <= max_words)


def swap_slots(
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]],
    count: int,
    rng: random.Random,
    *,
    excluded: Collection[str] = (),
) -> list[str]:
    """Return up to `count` new sentences: a labelled sentence with every slot's value drawn from all values of its kind.

    Values are drawn evenly over the different ones, so rare names are said as often as common ones.

    Args:
        sentences: words and BIO tags of each.
        excluded: spoken sentences never to return, for one those of a test.
    """
    cut = [_segments(words, tags) for words, tags in sentences]
    values: dict[str, set[str]] = defaultdict(set)
    for segments in cut:
        for slot, text in segments:
            if slot:
                values[slot].add(text)
    pools = {slot: sorted(found) for slot, found in values.items()}
    known = set(excluded) | {form for words, _ in sentences if (form := spoken_form(" ".join(words)))}
    result: list[str] = []
    for _ in range(20 * count):
        if len(result) == count:
            break
        drawn = " ".join(rng.choice(pools[slot]) if slot else text for slot, text in rng.choice(cut))
        spoken = spoken_form(drawn)
        if spoken and spoken not in known and 2 <= len(spoken.split()) <= 14:
            known.add(spoken)
            result.append(spoken)
    return result


def _segments(words: Sequence[str], tags: Sequence[str]) -> list[tuple[str, str]]:
    """Cut a sentence into (slot, text) pieces; slot is empty outside."""
    pieces: list[tuple[str, list[str]]] = []
    for word, tag in zip(words, tags, strict=True):
        slot = tag[2:] if tag != "O" else ""
        if tag.startswith("I-") and pieces and pieces[-1][0] == slot:
            pieces[-1][1].append(word)
        else:
            pieces.append((slot, [word]))
    return [(slot, " ".join(piece)) for slot, piece in pieces]
