"""Snips JSON: the benchmark's {"Intent": [{"data": chunks}]} and the dataset format of Snips NLU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.data.records import Splits, bad
from sottovoce.export.data.spans import utterance_from_parts


def looks_like(value: Any) -> bool:
    """True when the JSON value has the form of either format."""
    if not isinstance(value, dict) or not value:
        return False
    if isinstance(value.get("intents"), dict):
        return True
    return all(
        isinstance(items, list) and all(isinstance(item, dict) and "data" in item for item in items)
        for items in value.values()
    )


def read(path: Path, value: dict[str, Any]) -> Splits:
    """Read either format. A chunk is a slot when it has `slot_name` or `entity`; errors name intent and utterance."""
    if isinstance(value.get("intents"), dict):
        intents = {name: _utterances(path, name, body) for name, body in value["intents"].items()}
    else:
        intents = value
    found = []
    for intent, items in intents.items():
        for number, item in enumerate(items, start=1):
            found.append(_utterance(path, intent, number, item))
    return {"": found}


def _utterances(path: Path, intent: str, body: Any) -> list[Any]:
    items = body.get("utterances") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise bad(path, None, f"intent {intent!r}: wanted a list `utterances`, found {type(items).__name__}")
    return items


def _utterance(path: Path, intent: str, number: int, item: Any) -> Utterance:
    where = f"intent {intent!r}, utterance {number}"
    chunks = item.get("data") if isinstance(item, dict) else None
    if not isinstance(chunks, list):
        raise bad(path, None, f"{where}: wanted a list `data`")
    parts: list[tuple[str, str | None]] = []
    for chunk in chunks:
        if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
            raise bad(path, None, f"{where}: wanted a chunk with `text`, found {chunk!r}")
        parts.append((chunk["text"], chunk.get("slot_name") or chunk.get("entity")))
    try:
        utterance = utterance_from_parts(parts, intent)
    except ValueError as error:
        raise bad(path, None, f"{where}: {error}") from None
    if not utterance.words:
        raise bad(path, None, f"{where}: the text is empty")
    return utterance
