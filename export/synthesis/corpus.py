"""Speak a list of sentences in random voices, on several processes, into FLAC shards with a manifest."""

from __future__ import annotations

import csv
import io
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from sottovoce.errors import InvalidInputError
from sottovoce.export.synthesis.voices import LICENSES, SAMPLE_RATE, Engine, draw_voice, speak

COLUMNS = ("id", "split", "speaker", "seconds", "text", "audio", "start_sample", "license")
SHARD_UTTERANCES = 200


@dataclass(frozen=True)
class ShardJob:
    """Sentences of one shard; everything a worker needs. A finished shard has its manifest part beside its audio."""

    path: Path  # of the FLAC file
    texts: Sequence[str]
    engines: Mapping[Engine, float]  # engine to share
    seed: int
    kokoro: Path | None = None  # folder with parts of Kokoro-82M


def synthesize_corpus(
    texts: Sequence[str],
    out: Path,
    *,
    engines: Mapping[Engine, float],
    seed: int = 1,
    workers: int = 1,
    max_seconds: float = 12.0,
    kokoro: Path | None = None,
) -> Iterator[int]:
    """Speak each text once and write `out`/manifest.tsv with FLAC shards beside it; yields utterances done so far.

    The manifest has the voice's license in each row; attribution.json lists the engines, as `export-asr --attribution`
    reads it. A shard that exists is kept, so a killed run goes on where it was. Same texts, seed and programs, same voices.

    Args:
        texts: in spoken form (letters, apostrophes, spaces).
        out: folder, made when missing.
        engines: share of the sentences for each engine.
        workers: processes.
        max_seconds: longer utterances are left out.
        kokoro: folder with parts of Kokoro-82M, see `kokoro.Kokoro.open`.
    Raises:
        InvalidInputError: no text, or no engine with a share above 0.
        UnsupportedError: an engine is not installed.
    """
    if not texts or not any(share > 0 for share in engines.values()):
        raise InvalidInputError(f"corpus: wanted texts and engine shares, got {len(texts)} texts and {dict(engines)}")
    out.mkdir(parents=True, exist_ok=True)
    jobs = [
        ShardJob(
            out / f"shard-{i // SHARD_UTTERANCES:04d}.flac", texts[i : i + SHARD_UTTERANCES], engines, seed + i, kokoro
        )
        for i in range(0, len(texts), SHARD_UTTERANCES)
    ]
    done = 0
    # New processes, no forks: one of a process whose torch has started its threads would wait for them for ever.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for job in pool.map(_speak_shard, jobs, [max_seconds] * len(jobs)):
            done += len(job.texts)
            yield done
    manifest = io.StringIO()
    writer = csv.writer(manifest, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
    writer.writerow(COLUMNS)
    for job in jobs:
        with open(_part(job.path), encoding="utf-8", newline="") as part:
            writer.writerows(csv.reader(part, delimiter="\t", quoting=csv.QUOTE_NONE))
    used = sorted(engine for engine, share in engines.items() if share > 0)
    credits = [{"name": f"speech by the voices of {engine}", "license": LICENSES[engine]} for engine in used]
    _write_changed(out / "manifest.tsv", manifest.getvalue())
    _write_changed(out / "attribution.json", json.dumps(credits, indent=1) + "\n")


def _write_changed(path: Path, content: str) -> None:
    """Leave a file alone that says the same already: caches of features go by its time."""
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.write_text(content, encoding="utf-8")


def _part(path: Path) -> Path:
    return path.with_suffix(".tsv")


def _speak_shard(job: ShardJob, max_seconds: float) -> ShardJob:
    if _part(job.path).exists():
        return job
    rng = random.Random(job.seed)
    names, shares = list(job.engines), list(job.engines.values())
    rows, pieces, start = [], [], 0
    for index, text in enumerate(job.texts):
        voice = draw_voice(rng.choices(names, shares)[0], rng)
        try:
            samples = speak(voice, text, kokoro=job.kokoro)
        except InvalidInputError:
            continue  # a word the voice cannot say: one sentence less
        seconds = len(samples) / SAMPLE_RATE
        if seconds > max_seconds:
            continue
        identity = f"{job.path.stem}-{index:03d}"
        license_id = LICENSES[voice.engine]
        rows.append([identity, "train", voice.speaker, f"{seconds:.4f}", text, job.path.name, str(start), license_id])
        pieces.append(samples)
        start += len(samples)
    audio = np.concatenate(pieces) if pieces else np.zeros(1, np.float32)
    soundfile.write(job.path, audio, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    temporary = _part(job.path).with_suffix(".tmp")
    with open(temporary, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE).writerows(rows)
    os.replace(temporary, _part(job.path))  # the part says: this shard is whole
    return job
