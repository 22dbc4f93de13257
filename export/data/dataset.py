"""Labelled utterances from a file or a directory of any supported format, and their splits."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError
from sottovoce.export.data import conll, json_records, rasa, snips, table
from sottovoce.export.data.bio_directory import Utterance, read_bio_split
from sottovoce.export.data.records import SPLIT_NAMES, Splits, bad, check_tags

FORMATS = "seq.in/seq.out/label directories, CoNLL BIO, JSON Lines, CSV or TSV, Rasa NLU YAML, Snips JSON"
_SUFFIXES = {".conll", ".bio", ".iob", ".iob2", ".tsv", ".csv", ".jsonl", ".json", ".ndjson", ".yml", ".yaml", ".txt"}


def read_splits(path: str | os.PathLike[str]) -> Splits:
    """Read a data set: utterances by split ("train", "valid", "test"; "" for those of no named split).

    A directory holds train/, valid/, test/ or files named after their split; the format of a file is known by its content.

    Raises:
        ModelNotFoundError: nothing is there.
        DataError: no known format, or a mistake in a file, with its line.
    """
    path = Path(path)
    if path.is_dir():
        splits = _read_directory(path)
    elif path.exists():
        splits = _read_file(path)
    else:
        raise ModelNotFoundError(f"{path}: no such data file or directory")
    splits = {name: utterances for name, utterances in splits.items() if utterances}
    if not splits:
        raise bad(path, None, "holds no utterance")
    return splits


def load_dataset(path: str | os.PathLike[str], *, seed: int = 0, held_out: float = 0.1) -> Splits:
    """Read a data set for training: always with "train" and "valid", and with "test" when there is one.

    Data of no named split is divided by `seed`: the share `held_out` becomes valid, as much test. A set with train only
    gives that share of it to valid. The result depends on the data and the seed alone.

    Raises:
        InvalidInputError: too few utterances to divide.
        DataError, ModelNotFoundError: as `read_splits`.
    """
    splits = read_splits(path)
    whole = splits.pop("", [])
    if whole and splits:
        raise bad(Path(path), None, f"some utterances belong to a split ({', '.join(splits)}) and {len(whole)} to none")
    if not whole and "train" not in splits:
        raise bad(Path(path), None, f"wanted a split train, found {', '.join(sorted(splits))}")
    if "valid" not in splits:
        names = ["valid", "test"] if whole else ["valid"]
        rest = list(whole or splits["train"])
        random.Random(seed).shuffle(rest)
        count = max(1, round(len(rest) * held_out))
        if len(rest) <= count * len(names):
            raise InvalidInputError(f"{path}: {len(rest)} utterances are too few to divide into train and {names}")
        for name in names:
            splits[name], rest = rest[:count], rest[count:]
        splits["train"] = rest
    return {name: splits[name] for name in ("train", "valid", "test") if name in splits}


def read_split(path: str | os.PathLike[str], split: str) -> list[Utterance]:
    """Return the utterances of one split, or all of a data set that has no named splits. Raises as `read_splits`."""
    splits = read_splits(path)
    if set(splits) == {""}:
        return splits[""]
    if split not in splits:
        raise InvalidInputError(f"{path}: no split {split!r}; it has {', '.join(sorted(splits))}")
    return splits[split]


def write_bio_directory(splits: Splits, directory: Path) -> None:
    """Write {train,valid,test}/{seq.in,seq.out,label}, the layout that `read_splits` reads first."""
    for name, utterances in splits.items():
        target = directory / name
        target.mkdir(parents=True, exist_ok=True)
        columns = {
            "seq.in": [utterance.text for utterance in utterances],
            "seq.out": [" ".join(utterance.tags) for utterance in utterances],
            "label": [utterance.intent for utterance in utterances],
        }
        for file, lines in columns.items():
            (target / file).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _read_directory(path: Path) -> Splits:
    if (path / "seq.in").exists():
        return {"": _read_bio(path)}
    splits: Splits = {}
    for child in sorted(child for child in path.iterdir() if (child / "seq.in").exists()):
        if child.name not in SPLIT_NAMES:
            raise bad(child, None, "wanted a directory named train, valid or test")
        splits[SPLIT_NAMES[child.name]] = _read_bio(child)
    if splits:
        return splits
    files = list(_data_files(path))
    if not files:
        raise bad(path, None, f"holds no data; wanted {FORMATS}")
    for file in files:
        for name, utterances in _read_file(file).items():
            splits.setdefault(name or _split_of(file, path), []).extend(utterances)
    return splits


def _read_bio(directory: Path) -> list[Utterance]:
    try:
        utterances = read_bio_split(directory)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise bad(directory, None, f"not UTF-8: {error}") from None
    except ValueError as error:
        raise DataError(str(error)) from None
    for number, utterance in enumerate(utterances, start=1):
        check_tags(directory / "seq.out", number, utterance.tags)
        if not utterance.words or not utterance.intent:
            raise bad(directory, number, "an utterance or its label is empty")
    return utterances


def _data_files(path: Path) -> Iterator[Path]:
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    names = {file.name for file in files}
    for file in files:
        # The Snips benchmark ships a subset beside each full file.
        if f"{file.stem}_full{file.suffix}" not in names and _is_data(file):
            yield file


def _is_data(file: Path) -> bool:
    """Leave out the plain text beside a data set: readmes, licences, lists of categories."""
    if file.suffix == ".txt":
        return conll.looks_like(_text(file)) or table.looks_like(_text(file))
    return file.suffix != ".json" or not re.match(r'\s*\[\s*"', _text(file))


def _split_of(file: Path, root: Path) -> str:
    """The split that a file's name, or a directory between it and `root`, says."""
    for part in [file.stem, *reversed(file.relative_to(root).parts[:-1])]:
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return ""


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if path.suffix == ".json":  # the Snips benchmark has files in Latin-1
            return data.decode("latin-1")
        line = data.count(b"\n", 0, error.start) + 1
        raise bad(path, line, f"not UTF-8: byte 0x{data[error.start]:02x}") from None


def _read_file(path: Path) -> Splits:
    text = _text(path)
    start = text.lstrip()[:1]
    if start in ("{", "["):
        value = _json(path, text)
        if value is None:
            return json_records.read_lines(path, text)
        if isinstance(value, list):
            return json_records.read_list(path, value)
        if snips.looks_like(value):
            return snips.read(path, value)
        if json_records.are_split_lists(value):
            return json_records.read_split_lists(path, value)
        return json_records.read_lines(path, json.dumps(value))
    if table.looks_like(text):
        return table.read(path, text)
    if rasa.looks_like(text):
        return rasa.read(path, text)
    if conll.looks_like(text):
        return conll.read(path, text)
    raise bad(path, 1, f"the format is not known; wanted {FORMATS}")


def _json(path: Path, text: str) -> Any:
    """The value of a JSON file, or None when it is JSON Lines (or broken in the way only JSON Lines can say)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        first = text.lstrip().split("\n", 1)[0].rstrip()
        if first.startswith("{") and first.endswith("}"):
            return None
        raise bad(path, error.lineno, f"not JSON: {error.msg} at column {error.colno}") from None
