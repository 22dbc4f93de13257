"""CSV and TSV with a header: a text column, an intent column, optional BIO tags or JSON slots, an optional split."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from sottovoce.export.data.records import (
    INTENT_KEYS,
    SPAN_KEYS,
    SPLIT_NAMES,
    TEXT_KEYS,
    WORD_KEYS,
    Splits,
    bad,
    utterance_from_record,
)


def _header(text: str) -> tuple[list[str], str]:
    line = text.split("\n", 1)[0].rstrip("\r")
    delimiter = max(",\t;", key=line.count)
    return [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter


def looks_like(text: str) -> bool:
    """True when the first line is a header with a text and an intent column."""
    names = set(_header(text)[0])
    return bool(names & {*TEXT_KEYS, *WORD_KEYS}) and bool(names & set(INTENT_KEYS))


def read(path: Path, text: str) -> Splits:
    """Read a table. Columns are known by the names that records use (`text`, `intent` or `category`, `tags`, `slots`)."""
    names, delimiter = _header(text)
    splits: Splits = {}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader)
        line = reader.line_num
        for row in reader:
            line, first = reader.line_num, line + 1
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(names):
                raise bad(path, first, f"wanted {len(names)} columns ({', '.join(names)}), found {len(row)}")
            record: dict[str, Any] = {name: cell for name, cell in zip(names, row, strict=True) if cell.strip()}
            for key in SPAN_KEYS:
                if str(record.get(key, "")).lstrip().startswith(("[", "{")):
                    record[key] = json.loads(record[key])
            split = SPLIT_NAMES.get(record.pop("split", "").strip().lower(), "")
            splits.setdefault(split, []).append(utterance_from_record(path, first, record))
    except csv.Error as error:
        raise bad(path, reader.line_num, f"not a table: {error}") from None
    except json.JSONDecodeError as error:
        raise bad(path, first, f"the slots are not JSON: {error.msg}") from None
    return splits
