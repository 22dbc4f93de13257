"""Reads the BIO directory layout: DIR/{train,valid,test}/{seq.in,seq.out,label}, one utterance a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Utterance:
    """One utterance: whitespace words, one BIO tag a word, and the intent. Its text is the words joined by one space."""

    words: list[str]
    tags: list[str]
    intent: str

    @property
    def text(self) -> str:
        """The words joined by one space."""
        return " ".join(self.words)


def read_bio_split(directory: Path) -> list[Utterance]:
    """Utterances of one split. Raises ValueError naming the line when the three files do not agree."""
    columns = [
        # Not splitlines: it would also break at Unicode separators inside an utterance.
        (directory / name).read_text(encoding="utf-8").rstrip("\n").split("\n")
        for name in ("seq.in", "seq.out", "label")
    ]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(
            f"{directory}: wanted files of equal length, found {[len(column) for column in columns]} lines"
        )
    utterances = []
    for number, (text, tags, label) in enumerate(zip(*columns, strict=True), start=1):
        utterance = Utterance(text.split(), tags.split(), label.strip())
        if len(utterance.words) != len(utterance.tags):
            raise ValueError(
                f"{directory}: line {number}: wanted one tag a word, found {len(utterance.words)} words "
                f"and {len(utterance.tags)} tags"
            )
        utterances.append(utterance)
    return utterances
