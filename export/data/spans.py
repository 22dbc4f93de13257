"""Text with marked character spans -> words and BIO tags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from sottovoce.export.data.bio_directory import Utterance


class Span(NamedTuple):
    """A marked part of a text: characters [start, end) hold the slot `name`."""

    start: int
    end: int
    name: str


def utterance_from_spans(text: str, spans: Iterable[Span], intent: str) -> Utterance:
    """Return the utterance of a text whose slots are character spans.

    Words are what whitespace separates, cut further where a span begins or ends inside one ("Paris." with a span over
    "Paris" gives two words). Blanks at a span's edges are ignored.

    Raises:
        ValueError: a span is outside the text, empty, nameless, or overlaps another.
    """
    marked = sorted(_trimmed(text, span) for span in spans)
    for before, after in pairwise(marked):
        if after.start < before.end:
            raise ValueError(f"slots {before.name!r} and {after.name!r} overlap in {text!r}")
    words, tags, previous = [], [], None
    for start, end in _pieces(text, {edge for span in marked for edge in (span.start, span.end)}):
        inside = next((span for span in marked if span.start <= start < span.end), None)
        words.append(text[start:end])
        tags.append("O" if inside is None else f"{'I' if inside is previous else 'B'}-{inside.name}")
        previous = inside
    return Utterance(words, tags, intent)


def utterance_from_parts(parts: Iterable[tuple[str, str | None]], intent: str) -> Utterance:
    """Return the utterance of consecutive (text, slot name or None) parts. Raises as `utterance_from_spans`."""
    text, spans = "", []
    for part, name in parts:
        # A marked part that is blank marks nothing.
        if name is not None and part.strip():
            spans.append(Span(len(text), len(text) + len(part), name))
        text += part
    return utterance_from_spans(text, spans, intent)


def _trimmed(text: str, span: Span) -> Span:
    if not 0 <= span.start < span.end <= len(text):
        raise ValueError(f"slot {span.name!r}: characters {span.start} to {span.end} are not in {text!r}")
    value = text[span.start : span.end]
    if not value.strip():
        raise ValueError(f"slot {span.name!r}: blank at characters {span.start} to {span.end} of {text!r}")
    if not span.name or any(character.isspace() for character in span.name):
        raise ValueError(f"slot name {span.name!r}: wanted a name without blanks")
    start = span.end - len(value.lstrip())
    return Span(start, start + len(value.strip()), span.name)


def _pieces(text: str, cuts: set[int]) -> Iterable[tuple[int, int]]:
    for match in re.finditer(r"\S+", text):
        edges = [match.start(), *sorted(cut for cut in cuts if match.start() < cut < match.end()), match.end()]
        yield from pairwise(edges)
