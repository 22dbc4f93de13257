"""Features of a manifest, computed once by the C++ front end and kept as float16 on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sottovoce.audio import Fbank
from sottovoce.errors import InvalidInputError
from sottovoce.export.train.asr.manifest import Source, Utterance, load_audio, read_manifest
from sottovoce.export.train.asr.perturbation import SAMPLE_RATE, PerturbationConfig, Surroundings, draw_timing, perturb

Halves = npt.NDArray[np.float16]
MAX_SECONDS = 16.0  # of an utterance that is trained on


@dataclass(frozen=True)
class CachedCorpus:
    """All copies of a source, end to end: utterance i is frames[offsets[i] : offsets[i + 1]]."""

    frames: Halves  # (all frames, mels), memory-mapped
    offsets: npt.NDArray[np.int64]  # (utterances x copies + 1)
    texts: list[str]  # (utterances)
    copies: (
        int  # variants of an utterance, the first as recorded; entry i is variant i % copies of utterance i // copies
    )
    weight: float
    name: str
    timings: npt.NDArray[np.float32]  # (utterances x copies, 2): speed of each variant, seconds of silence before it

    def __len__(self) -> int:
        return len(self.texts)

    def length(self, utterance: int, copy: int) -> int:
        """Frames of one variant."""
        i = utterance * self.copies + copy
        return int(self.offsets[i + 1] - self.offsets[i])

    def features(self, utterance: int, copy: int) -> Halves:
        """Return (frames, mels) of one variant."""
        i = utterance * self.copies + copy
        return self.frames[self.offsets[i] : self.offsets[i + 1]]


def corpus_name(source: Source) -> str:
    """Return the name that caches and logs give a source: its folder's, and its split's."""
    return source.path.parent.name + (f"-{source.split}" if source.split else "")


def spoken_utterances(source: Source, max_seconds: float = MAX_SECONDS) -> list[Utterance]:
    """Return the utterances of a manifest that have a text and are not too long."""
    return [u for u in read_manifest(source.path, source.split) if u.text and u.seconds <= max_seconds]


def cache_features(
    source: Source,
    folder: Path,
    *,
    preset: str,
    copies: int = 0,
    perturbation: PerturbationConfig | None = None,
    around: Surroundings | None = None,
    max_seconds: float = MAX_SECONDS,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> CachedCorpus:
    """Return the features of `source`, from `folder` when they are there.

    Args:
        preset: of `sottovoce.audio.Fbank`.
        copies: variants of every utterance beside the recording as it is, which comes first; these are perturbed.
        around: what `perturb` mixes in.
        max_seconds: longer utterances are left out, and those without text.
        progress: called with utterances done and all.
    Raises:
        InvalidInputError: nothing is left of the source.
    """
    around, perturbation = around or Surroundings(), perturbation or PerturbationConfig()
    utterances, variants = spoken_utterances(source, max_seconds), copies + 1
    settings = {
        "manifest": [
            str(source.path.resolve()),
            source.split,
            source.path.stat().st_size,
            source.path.stat().st_mtime_ns,
        ],
        "options": [
            preset,
            variants,
            asdict(perturbation),
            max_seconds,
            seed,
            len(around.noises),
            len(around.rooms),
        ],
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    name = corpus_name(source)
    stem = folder / f"{name}-{key}"
    index = stem.with_suffix(".json")
    fbank = Fbank(preset)
    if not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        offsets = [0]
        temporary = stem.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            for number, samples in enumerate(load_audio(utterances)):
                for copy in range(variants):
                    varied = samples
                    if copy:
                        varied = perturb(samples, around, perturbation, _variant(seed, number, copy))
                    features = fbank.compute(varied).astype(np.float16)
                    file.write(features.tobytes())
                    offsets.append(offsets[-1] + len(features))
                if progress is not None:
                    progress(number + 1, len(utterances))
        os.replace(temporary, stem.with_suffix(".f16"))
        temporary.write_text(json.dumps({"offsets": offsets, "texts": [u.text for u in utterances]}), encoding="utf-8")
        os.replace(temporary, index)  # the index says: the features are whole
    stored = json.loads(index.read_text(encoding="utf-8"))
    if not stored["texts"]:
        raise InvalidInputError(f"manifest {source.path}: no utterance with text and at most {max_seconds:g} s")
    frames = np.memmap(stem.with_suffix(".f16"), np.float16, "r").reshape(-1, fbank.num_mels)
    offsets_array = np.asarray(stored["offsets"], np.int64)
    timings = np.tile(np.array([1.0, 0.0], np.float32), (len(offsets_array) - 1, 1))
    for entry in range(len(timings)):
        utterance, copy = divmod(entry, variants)
        if copy:
            speed, before, _ = draw_timing(perturbation, _variant(seed, utterance, copy))
            timings[entry] = speed, before / SAMPLE_RATE
    return CachedCorpus(frames, offsets_array, stored["texts"], variants, source.weight, name, timings)


def _variant(seed: int, utterance: int, copy: int) -> np.random.Generator:
    return np.random.default_rng([seed, utterance, copy])
