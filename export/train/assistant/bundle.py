"""The finished assistant: a folder with assistant.json, recognizer.gguf and parser.gguf."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sottovoce.assistant_bundle import FORMAT, MANIFEST, VERSION
from sottovoce.export.train.assistant.intents import Domain

BOOST = 1.0
BEAM = 8
MAX_PHRASES = 500
SENTENCES = 2000  # drawn to see what is said around slots


def biasing_phrases(domain: Domain, boost: float = BOOST) -> list[dict[str, Any]]:
    """Return what recognition is biased towards: the slots' values, and what the templates say around them.

    Each once, values first, then longest first, at most MAX_PHRASES.
    """
    values = {value for found in domain.slot_values().values() for value in found}
    around = set()
    for sentence in domain.sentences(SENTENCES, seed=1):
        outside = " ".join(word if tag == "O" else "|" for word, tag in zip(sentence.words, sentence.tags, strict=True))
        around |= {phrase for part in outside.split("|") if (phrase := part.strip())}
    phrases = [*sorted(values, key=_longest_first), *sorted(around - values, key=_longest_first)]
    return [{"phrase": phrase, "boost": boost} for phrase in phrases[:MAX_PHRASES]]


def _longest_first(phrase: str) -> tuple[int, str]:
    return -len(phrase.split()), phrase


def write_bundle(
    folder: Path,
    *,
    name: str,
    recognizer: Path,
    parser: Path,
    beam: int = BEAM,
    biasing: Sequence[Mapping[str, Any]] = (),
    slots: Mapping[str, Mapping[str, Any]] | None = None,
    licence: str = "Apache-2.0",
    attribution: Sequence[Any] = (),
    metrics: Mapping[str, Any] | None = None,
) -> int:
    """Write the folder and return its size in bytes; assistant.json last, so that a folder with it is whole.

    Args:
        beam: hypotheses that the search keeps.
        slots: slot to {"values": [...], "synonyms": {said: value}}: what a heard value may become.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in ((recognizer, "recognizer.gguf"), (parser, "parser.gguf")):
        temporary = folder / f".{target}.part"
        temporary.write_bytes(source.read_bytes())
        os.replace(temporary, folder / target)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "recognizer": "recognizer.gguf",
        "parser": "parser.gguf",
        "beam": beam,
        "biasing": [dict(entry) for entry in biasing],
        "slots": {slot: dict(entry) for slot, entry in (slots or {}).items()},
        "licence": licence,
        "attribution": list(attribution),
        "metrics": dict(metrics or {}),
    }
    temporary = folder / f".{MANIFEST}.part"
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, folder / MANIFEST)
    return sum(path.stat().st_size for path in folder.iterdir())


def write_single_file(folder: Path, path: Path) -> int:
    """Write the bundle in `folder` as one file, an uncompressed zip, and return its size in bytes."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    temporary = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in (MANIFEST, content["recognizer"], content["parser"]):
            entry = zipfile.ZipInfo(name)  # without a time: the same bundle, the same bytes
            archive.writestr(entry, (folder / name).read_bytes())
    os.replace(temporary, path)
    return path.stat().st_size
