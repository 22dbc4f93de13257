"""Lists of utterances: a TSV file with a header, audio files of any format that libsndfile reads."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
import torchaudio.functional

from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError

Floats = npt.NDArray[np.float32]
SAMPLE_RATE = 16000  # Hz


@dataclass(frozen=True)
class Utterance:
    """One row: who said what, and where the samples are."""

    identity: str
    speaker: str
    text: str
    audio: Path
    member: str = ""  # inside a tar file
    start: int = 0  # sample, at the file's own rate
    count: int = -1  # samples; -1: up to the end
    seconds: float = 0.0  # 0: not stated


@dataclass(frozen=True)
class Source:
    """A manifest on the command line: PATH[:SPLIT][*WEIGHT]."""

    path: Path
    split: str = ""  # empty: all rows
    weight: float = 1.0  # utterances drawn in an epoch, as a multiple of the rows

    @staticmethod
    def parse(text: str) -> Source:
        """Read PATH[:SPLIT][*WEIGHT]; a folder stands for its manifest.tsv. Raises InvalidInputError."""
        rest, star, weight = text.rpartition("*")
        if not star:
            rest, weight = text, "1"
        name, _, split = rest.partition(":")
        try:
            factor = float(weight)
        except ValueError:
            factor = -1.0
        if not name or factor <= 0:
            raise InvalidInputError(f"manifest {text!r}: wanted PATH[:SPLIT][*WEIGHT] with a weight above 0")
        path = Path(name)
        return Source(path / "manifest.tsv" if path.is_dir() else path, split, factor)


def read_manifest(path: Path, split: str = "") -> list[Utterance]:
    """Read a TSV manifest.

    Columns, in any order: `text` and `audio` (or `file`), relative to the manifest; optional `id`, `split`, `speaker`,
    `seconds`, `start_sample` (with `seconds`: a piece of a long file), `member` (of a tar file). Others are ignored.

    Raises:
        ModelNotFoundError: no such file. InvalidInputError: a column is missing, or no row has that split.
        DataError: a value cannot be read.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"manifest {path}: no such file")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or "text" not in rows[0] or not ("audio" in rows[0] or "file" in rows[0]):
        raise InvalidInputError(f"manifest {path}: wanted rows under a header with the columns text and audio")
    result = []
    for line, row in enumerate(rows, 2):
        if split and row.get("split") != split:
            continue
        try:
            seconds = float(row.get("seconds") or 0)
            start = int(row.get("start_sample") or 0)
        except ValueError as error:
            raise DataError(f"manifest {path}, line {line}: {error}") from None
        count = round(seconds * SAMPLE_RATE) if row.get("start_sample") else -1
        audio = path.parent / (row.get("audio") or row.get("file") or "")
        name = row.get("id") or f"{path.stem}-{line}"
        speaker, member = row.get("speaker") or "unknown", row.get("member") or ""
        result.append(Utterance(name, speaker, row["text"] or "", audio, member, start, count, seconds))
    if not result:
        raise InvalidInputError(f"manifest {path}: no row with split {split!r}")
    return result


def load_audio(utterances: list[Utterance]) -> Iterator[Floats]:
    """Yield each utterance's samples in order: mono float32 at 16 kHz. Files stay open while neighbours use them.

    Raises:
        DataError: a file is missing, cannot be decoded, or ends before a piece does.
    """
    opened: Path | None = None
    stream: Floats | tarfile.TarFile | None = None
    rate = SAMPLE_RATE
    for utterance in utterances:
        try:
            if utterance.audio != opened:
                if utterance.member:
                    stream = tarfile.open(utterance.audio)  # noqa: SIM115 (outlives this turn)
                else:
                    stream, rate = soundfile.read(utterance.audio, dtype="float32")
                opened = utterance.audio
            if isinstance(stream, tarfile.TarFile):
                member = stream.extractfile(utterance.member)
                samples, rate = soundfile.read(io.BytesIO(member.read() if member else b""), dtype="float32")
            else:
                assert stream is not None
                end = len(stream) if utterance.count < 0 else utterance.start + utterance.count
                samples = stream[utterance.start : end]
                if len(samples) < end - utterance.start - SAMPLE_RATE // 10:
                    raise DataError(
                        f"{utterance.audio}: {utterance.identity} wanted samples up to {end}, found {len(stream)}"
                    )
        except (OSError, KeyError, tarfile.TarError, soundfile.SoundFileError) as error:
            raise DataError(f"{utterance.audio}: cannot read {utterance.identity}: {error}") from None
        if samples.ndim == 2:
            samples = samples.mean(1)
        if rate != SAMPLE_RATE:
            samples = torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()
        yield np.ascontiguousarray(samples, dtype=np.float32)
