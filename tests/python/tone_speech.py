"""Speech made of tones, and a network small enough to learn it in seconds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from sottovoce.export.models.transducer import BlockConfig, PredictorConfig, TransducerConfig
from sottovoce.export.train.asr.config import RecipeConfig
from sottovoce.export.train.asr.feature_cache import CachedCorpus, cache_features
from sottovoce.export.train.asr.manifest import Source

TINY = TransducerConfig(
    blocks=(
        BlockConfig(("conv2d:3,7,2,2,4,1", "conv2d:3,5,2,2,6,1", "conv1d:1,1,32,0"), 1, 32, 2, 16, 48, (6,), 1),
        BlockConfig(("conv1d:3,2,48,1", "conv1d:1,1,40,0"), 1, 40, 2, 20, 64, (8,)),
    ),
    predictor=PredictorConfig(16, 24, 1, 2, 12, 40, (4,)),
    joiner_dim=32,
)
SENTENCES = ("ab ba", "cab", "a c b", "bac ca", "cba b", "b a")
TEN = (*SENTENCES, "ac", "ba cb", "ca b a", "acb bc")
TONES = {"a": 350.0, "b": 900.0, "c": 2200.0}  # Hz


def say(text: str, seed: int) -> npt.NDArray[np.float32]:
    """Return a tone of 0.2 s for every letter and a pause for every space, with a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(3200) / 16000
    parts = [0.3 * np.sin(2 * np.pi * TONES[c] * time) * np.hanning(3200) if c != " " else np.zeros(2400) for c in text]
    wave = np.concatenate([np.zeros(1600), *parts, np.zeros(1600)])
    return (wave + 0.003 * rng.standard_normal(len(wave))).astype(np.float32)


def write_speech(folder: Path, sentences: Sequence[str] = SENTENCES) -> Path:
    """Write sentences as WAV files and a manifest of the split `train`; return the folder."""
    with open(folder / "manifest.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["text", "audio", "split"])
        for number, text in enumerate(sentences):
            soundfile.write(folder / f"{number}.wav", say(text, number), 16000)
            writer.writerow([text, f"{number}.wav", "train"])
    return folder


def corpus(folder: Path, copies: int = 0) -> CachedCorpus:
    """Features of `write_speech`."""
    return cache_features(Source.parse(f"{folder}:train"), folder / "cache", preset="kaldi80", copies=copies)


def recipe(**changes: object) -> RecipeConfig:
    """A recipe for TINY."""
    values: dict[str, object] = {
        "model": TINY,
        "augment": None,
        "piece_model": "char",
        "batch_seconds": 4.0,
        "audio_hours": 0.12,
        "learning_rate": 8e-3,
        "warmup_steps": 10,
        "clean_first_hours": 0.0,
        "flat_start_hours": 0.005,
        "ctc_first_hours": 0.02,
        "ema_decay": 0.9,
    }
    return RecipeConfig(**values | changes)  # type: ignore[arg-type]
