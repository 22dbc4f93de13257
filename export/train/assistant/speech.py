"""The sentences of a domain, spoken: batches by many voices, made until there are enough minutes or time is up."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sottovoce.errors import InvalidInputError
from sottovoce.export.synthesis.corpus import COLUMNS, synthesize_corpus
from sottovoce.export.synthesis.voices import Engine
from sottovoce.export.train.asr.manifest import Source
from sottovoce.export.train.assistant.intents import Domain, Sentence

BATCH_SENTENCES = 60
# Minutes of speech by engine. Kokoro's voices sound most like people, and take most of the time: the others go first.
MINUTES: Mapping[Engine, float] = {"flite": 12, "festival": 18, "piper": 20, "kokoro": 60}
# How often a sentence is heard in an epoch: the more like a person, the more often.
WEIGHTS: Mapping[str, float] = {"kokoro": 2.0, "piper": 1.5, "festival": 1.0, "flite": 0.7, "espeak": 0.5}
Report = Callable[[str, float, float], None]  # engine, minutes made, minutes wanted


def speak_domain(
    domain: Domain,
    folder: Path,
    *,
    minutes: Mapping[Engine, float] = MINUTES,
    seed: int = 1,
    workers: int = 1,
    deadline: float | None = None,
    kokoro: Path | None = None,
    batch_sentences: int = BATCH_SENTENCES,
    report: Report | None = None,
) -> Path:
    """Speak sentences of `domain` into `folder`, batch by batch, and return the manifest of all batches.

    Batches that exist are kept, so a killed run goes on, and a later call with more minutes adds to it.

    Args:
        minutes: of speech wanted by each engine, in the order of the work.
        deadline: `time.monotonic()` after which no further batch begins.
        kokoro: folder with parts of Kokoro-82M, see `synthesis.kokoro.Kokoro.open`.
    Raises:
        InvalidInputError: no engine has minutes, or time was up before the first batch.
        UnsupportedError: an engine is not installed.
    """
    for engine, wanted in minutes.items():
        number, made = 0, 0.0
        while made < wanted * 60 and wanted > 0:
            batch = folder / f"{engine}-{number:03d}"
            if not (batch / "attribution.json").exists():
                if deadline is not None and time.monotonic() > deadline:
                    break
                batch_seed = _batch_seed(seed, engine, number)
                texts = [s.text for s in domain.sentences(batch_sentences, batch_seed)]
                for _ in synthesize_corpus(
                    texts, batch, engines={engine: 1.0}, seed=batch_seed, workers=workers, kokoro=kokoro
                ):
                    pass
            made += sum(float(row["seconds"]) for row in _rows(batch))
            number += 1
            if report is not None:
                report(engine, made / 60, wanted)
    return merge_batches(folder)


def spoken_sentences(domain: Domain, folder: Path, seed: int, batch_sentences: int = BATCH_SENTENCES) -> list[Sentence]:
    """Return the sentences, with labels, of the batches in `folder`, drawn again by their seeds."""
    found: list[Sentence] = []
    for batch in finished_batches(folder):
        engine, _, number = batch.name.rpartition("-")
        found += domain.sentences(batch_sentences, _batch_seed(seed, engine, int(number)))
    return found


def merge_batches(folder: Path) -> Path:
    """Write folder/manifest.tsv over all finished batches and return it. Raises InvalidInputError when there is none."""
    manifest = io.StringIO()
    writer = csv.DictWriter(manifest, COLUMNS, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
    writer.writeheader()
    count = 0
    for batch in finished_batches(folder):
        for row in _rows(batch):
            row |= {"id": f"{batch.name}-{row['id']}", "audio": f"{batch.name}/{row['audio']}"}
            writer.writerow(row)
            count += 1
    if not count:
        raise InvalidInputError(f"{folder}: no speech was made; wanted an engine with minutes above 0 and time for it")
    path = folder / "manifest.tsv"
    if not path.exists() or path.read_text(encoding="utf-8") != manifest.getvalue():  # caches go by its time
        path.write_text(manifest.getvalue(), encoding="utf-8")
    return path


def batch_sources(folder: Path) -> list[Source]:
    """Return a manifest a batch, weighted by its engine."""
    return [
        Source(batch / "manifest.tsv", "", WEIGHTS.get(batch.name.rpartition("-")[0], 1.0))
        for batch in finished_batches(folder)
    ]


def finished_batches(folder: Path) -> list[Path]:
    """Return the folders of whole batches, sorted."""
    return sorted(path.parent for path in folder.glob("*/attribution.json") if (path.parent / "manifest.tsv").exists())


def attribution(folder: Path) -> list[dict[str, Any]]:
    """Return whose voices speak, each once."""
    credits: dict[str, dict[str, Any]] = {}
    for batch in finished_batches(folder):
        for credit in json.loads((batch / "attribution.json").read_text(encoding="utf-8")):
            credits[credit["name"]] = credit
    return [credits[name] for name in sorted(credits)]


def _rows(batch: Path) -> Iterator[dict[str, str]]:
    with open(batch / "manifest.tsv", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _batch_seed(seed: int, engine: str, number: int) -> int:
    return seed * 1_000_000 + sum(map(ord, engine)) * 1000 + number
