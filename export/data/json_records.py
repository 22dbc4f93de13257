"""JSON Lines, a JSON list of records, and the JSON of split lists that CLINC150 uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sottovoce.export.data.records import SPLIT_NAMES, Splits, bad, utterance_from_record


def read_lines(path: Path, text: str) -> Splits:
    """Read JSON Lines: one record a line, blank lines skipped. A record may name its `split`."""
    splits: Splits = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise bad(path, number, f"not JSON: {error.msg} at column {error.colno}") from None
        split = SPLIT_NAMES.get(str(record.get("split", "")), "") if isinstance(record, dict) else ""
        splits.setdefault(split, []).append(utterance_from_record(path, number, record))
    return splits


def read_list(path: Path, records: list[Any]) -> Splits:
    """Read the records of a JSON list; errors name the record, counted from 1, as a line."""
    return {"": [utterance_from_record(path, number, record) for number, record in enumerate(records, start=1)]}


def read_split_lists(path: Path, lists: dict[str, Any]) -> Splits:
    """Read {"train": [[text, intent] or record, ...], "val": ..., "oos_test": ...}; a prefix such as `oos_` is dropped."""
    splits: Splits = {}
    for key, records in lists.items():
        split = SPLIT_NAMES.get(key.rsplit("_", 1)[-1])
        if split is None or not isinstance(records, list):
            raise bad(path, None, f"wanted lists named train, val and test, found {key!r}")
        for number, record in enumerate(records, start=1):
            if isinstance(record, list) and len(record) == 2:
                record = {"text": record[0], "intent": record[1]}
            splits.setdefault(split, []).append(utterance_from_record(path, number, record))
    return splits


def are_split_lists(value: Any) -> bool:
    """True for a mapping whose every key ends in the name of a split."""
    return isinstance(value, dict) and bool(value) and all(key.rsplit("_", 1)[-1] in SPLIT_NAMES for key in value)
