"""The log of a run: metrics.jsonl, and the same as metrics.csv for spreadsheets and plots."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class TrainingLog:
    """A line a step. What a killed run logged after its last checkpoint is dropped: it is done again."""

    def __init__(self, folder: Path, step: int) -> None:
        """Open `folder`/metrics.jsonl and .csv for the steps after `step`."""
        path, table = folder / "metrics.jsonl", folder / "metrics.csv"
        kept = [row for row in _rows(path) if row["step"] <= step]
        self._lines = open(path, "w", encoding="utf-8")  # noqa: SIM115 (open as long as the run)
        self._table = open(table, "w", encoding="utf-8", newline="")  # noqa: SIM115
        self._writer: Any = None
        for row in kept:
            self.write(row)
        self.flush()

    def write(self, row: Mapping[str, Any]) -> None:
        """Add the figures of a step."""
        self._lines.write(json.dumps(dict(row)) + "\n")
        if self._writer is None:
            self._writer = csv.DictWriter(
                self._table, list(row), restval=0.0, extrasaction="ignore", lineterminator="\n"
            )
            self._writer.writeheader()
        self._writer.writerow(row)

    def flush(self) -> None:
        """Hand everything to the system."""
        self._lines.flush()
        self._table.flush()

    def close(self) -> None:
        """Flush and close."""
        self._lines.close()
        self._table.close()


def _rows(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a log; the last one may have been cut."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
