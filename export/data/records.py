"""One labelled utterance as a record (of JSON Lines, a JSON list, a CSV row), and what the readers share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sottovoce.errors import DataError
from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.data.spans import Span, utterance_from_spans

Splits = dict[str, list[Utterance]]  # by "train", "valid", "test"; "" when the file does not say

TEXT_KEYS = ("text", "utterance", "query", "sentence")
INTENT_KEYS = ("intent", "label", "category", "intent_label")
WORD_KEYS = ("words", "tokens")
TAG_KEYS = ("tags", "slot_tags", "bio", "slots", "labels")
SPAN_KEYS = ("slots", "entities", "spans")
NAME_KEYS = ("name", "slot", "entity", "slot_name", "label", "type")
VALUE_KEYS = ("value", "text")

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "valid": "valid", "validation": "valid", "validate": "valid", "val": "valid", "dev": "valid", "eval": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip

_TAG = re.compile(r"O|[BI]-\S+")


def bad(path: Path, line: int | None, message: str) -> DataError:
    """Return the error for a mistake in a data file; lines count from 1."""
    return DataError(f"{path}{f':{line}' if line else ''}: {message}")


def check_tags(path: Path, line: int, tags: Iterable[str], *, line_per_tag: bool = False) -> None:
    """Raise DataError naming the line when a tag is not O, B-name or I-name."""
    for offset, tag in enumerate(tags):
        if not _TAG.fullmatch(tag):
            raise bad(path, line + offset if line_per_tag else line, f"wanted a tag O, B-name or I-name, found {tag!r}")


def utterance_from_record(path: Path, line: int, record: Any) -> Utterance:
    """Return the utterance of a mapping: words with tags, or a text with slots as spans, and the intent.

    Words and tags may be lists or strings of blank-separated items. A slot span holds `start`, `end` (characters, the end
    exclusive) and a name; without `start` its `value` is looked for in the text. No tags and no spans: all O.
    """
    if not isinstance(record, Mapping):
        raise bad(path, line, f"wanted an object with text and intent, found {type(record).__name__}")
    intent = _first(record, INTENT_KEYS)
    if isinstance(intent, Mapping):
        intent = intent.get("name")
    if not isinstance(intent, str) or not intent.strip():
        raise bad(path, line, f"wanted an intent under one of {', '.join(INTENT_KEYS)}, found keys {sorted(record)}")
    intent = intent.strip()
    words, text = _first(record, WORD_KEYS), _first(record, TEXT_KEYS)
    if words is None and not isinstance(text, str):
        raise bad(path, line, f"wanted a text under one of {', '.join(TEXT_KEYS)}, found keys {sorted(record)}")
    words = _items(words if words is not None else text)
    tags = next((record[key] for key in TAG_KEYS if _are_tags(record.get(key))), None)
    if tags is not None:
        tags = _items(tags)
        check_tags(path, line, tags)
    spans = None if tags is not None else next((record[key] for key in SPAN_KEYS if record.get(key)), None)
    if not words:
        raise bad(path, line, "the utterance is empty")
    if spans is not None:
        text = text if isinstance(text, str) else " ".join(words)
        try:
            return utterance_from_spans(text, list(_spans(text, spans)), intent)
        except ValueError as error:
            raise bad(path, line, str(error)) from None
    tags = ["O"] * len(words) if tags is None else tags
    if len(tags) != len(words):
        raise bad(path, line, f"wanted one tag a word, found {len(words)} words and {len(tags)} tags")
    return Utterance(words, tags, intent)


def _first(record: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((record[key] for key in keys if record.get(key) is not None), None)


def _items(value: Any) -> list[str]:
    items = value.split() if isinstance(value, str) else [str(item) for item in value]
    return [item for item in items if item.strip()]


def _are_tags(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip()) and not value.lstrip().startswith(("[", "{"))
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _spans(text: str, spans: Any) -> Iterable[Span]:
    if isinstance(spans, Mapping):  # {"room": "kitchen"}
        spans = [{"name": name, "value": value} for name, value in spans.items()]
    if not isinstance(spans, list):
        raise ValueError(f"wanted a list of slots, found {spans!r}")
    found_to: dict[str, int] = {}
    for span in spans:
        if not isinstance(span, Mapping):
            raise ValueError(f"wanted a slot as an object with start, end and name, found {span!r}")
        name = _first(span, NAME_KEYS)
        if not isinstance(name, str):
            raise ValueError(f"wanted a slot name under one of {', '.join(NAME_KEYS)}, found {dict(span)!r}")
        start, end = span.get("start"), span.get("end")
        if type(start) is not int or type(end) is not int:
            value = str(_first(span, VALUE_KEYS) or "")
            start = text.find(value, found_to.get(value, 0)) if value else -1
            if start < 0:
                raise ValueError(f"slot {name!r}: no start and end, and its value {value!r} is not in {text!r}")
            end = found_to[value] = start + len(value)
        yield Span(start, end, name)
