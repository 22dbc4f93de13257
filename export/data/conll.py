"""CoNLL columns: one word a line, the tag last, blank lines between utterances, comments `# intent = NAME`."""

from __future__ import annotations

import re
from pathlib import Path

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.data.records import Splits, bad, check_tags

_COMMENT = re.compile(r"#\s*(?P<key>[\w.]+)\s*[:=]\s*(?P<value>.*)")


def looks_like(text: str) -> bool:
    """True when most of the first lines are columns that end in a BIO tag."""
    rows = [line for line in text.split("\n")[:200] if line.strip() and not line.startswith("# ")]
    tagged = sum(re.search(r"\S[\t ]+(O|[BI]-\S+)\s*$", row) is not None for row in rows)
    return 2 * tagged >= max(len(rows), 1)


def read(path: Path, text: str) -> Splits:
    """Read a file: columns by tabs or blanks, the first that is not a running number is the word, the last the tag.

    The intent is the comment `# intent = NAME` of the utterance, else the third of four columns when it is the same in
    every row (xSID), else the comment or file has none and that is an error naming the line.
    """
    utterances: list[Utterance] = []
    rows: list[list[str]] = []
    intent, first = "", 1
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        comment = _COMMENT.match(line) if not rows else None
        if not line.strip():
            if rows:
                utterances.append(_utterance(path, first, rows, intent))
            rows, intent = [], ""
        elif comment:
            if comment["key"] == "intent":
                intent = comment["value"].strip()
        elif rows or not line.startswith("# "):
            columns = line.rstrip("\r").split("\t") if "\t" in line else line.split()
            if len(columns) < 2:
                raise bad(path, number, f"wanted a word and a tag, found {line!r}")
            if not rows:
                first = number
            elif len(columns) != len(rows[0]):
                raise bad(path, number, f"wanted {len(rows[0])} columns as in line {first}, found {len(columns)}")
            rows.append(columns)
    return {"": utterances}


def _utterance(path: Path, first: int, rows: list[list[str]], intent: str) -> Utterance:
    numbered = len(rows[0]) > 2 and [row[0] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]
    words = [row[1 if numbered else 0].strip() for row in rows]
    for offset, word in enumerate(words):
        if not word or len(word.split()) != 1:
            raise bad(path, first + offset, f"wanted one word without blanks, found {word!r}")
    tags = [row[-1].strip() for row in rows]
    check_tags(path, first, tags, line_per_tag=True)
    if not intent and len(rows[0]) == 4 and len({row[2] for row in rows}) == 1:
        intent = rows[0][2]
    if not intent:
        raise bad(path, first, "the utterance has no intent; wanted a comment `# intent = NAME` above it")
    return Utterance(words, tags, intent)
