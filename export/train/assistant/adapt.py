"""Fine-tune a recognizer on the speech of a domain, with general speech mixed in so that it keeps what it knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sottovoce.export.train.asr.augment import AugmentConfig
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.config import RecipeConfig
from sottovoce.export.train.asr.feature_cache import CachedCorpus, cache_features
from sottovoce.export.train.asr.manifest import Source
from sottovoce.export.train.asr.perturbation import PerturbationConfig, Surroundings
from sottovoce.export.train.asr.recipe import Progress, Trainer

# Noisier than the general recipe, and with more silence around: an assistant listens in a room with a machine running
# before anybody speaks.
NOISY = PerturbationConfig(
    speeds=(0.85, 0.92, 1.0, 1.08),
    silence_chance=0.6,
    silence_seconds=1.5,
    room_chance=0.4,
    hiss_chance=0.08,
    noise_chance=0.6,
    snr_low=2.0,
    snr_high=25.0,
)
State = Callable[[str, float], None]  # what is being done, share of it


@dataclass(frozen=True)
class AdaptSettings:
    """How long and how hard. The rate falls to nothing by the end of `minutes` or `audio_hours`, whichever comes first."""

    minutes: float = 25.0
    audio_hours: float = 16.0
    learning_rate: float = 5e-4
    general_share: float = 0.35  # of the audio heard
    copies: int = 3  # perturbed variants of a sentence of the domain, beside itself
    bfloat16: bool = False  # matrix products in bfloat16, as in `train asr`
    seed: int = 1

    def recipe(self) -> RecipeConfig:
        """The recipe of `train asr` with these settings."""
        augment = AugmentConfig(time_masks=1, time_width=8, freq_masks=1, freq_width=10, gain_db=8.0, label_mask=0.1)
        return RecipeConfig(
            augment=augment,
            audio_hours=self.audio_hours,
            minutes=self.minutes,
            batch_seconds=32.0,
            short_first_seconds=0.0,
            learning_rate=self.learning_rate,
            warmup_steps=60,
            ema_decay=0.99,
            clean_first_hours=0.0,
            flat_start_hours=0.0,
            ctc_first_hours=0.0,
            bfloat16=self.bfloat16,
            seed=self.seed,
            checkpoint_minutes=1.0,
        )


def adapt_recognizer(
    base: Checkpoint,
    speech: Sequence[Source],
    out: Path,
    *,
    general: Sequence[Source] = (),
    around: Surroundings | None = None,
    general_around: Surroundings | None = None,
    cache: Path | None = None,
    settings: AdaptSettings | None = None,
    report: State | None = None,
) -> Path:
    """Fine-tune `base` and return `out`/checkpoint.pt; a killed run goes on.

    Args:
        speech: manifests of the domain's speech, with weights.
        general: other speech; the weights of its sources count among themselves.
        around: noise and rooms for the domain's speech; `general_around` those of the general caches, when they differ.
        cache: folder of features.
    Raises:
        InvalidInputError: a manifest is empty. DataError: audio cannot be read.
    """
    settings = settings or AdaptSettings()
    cache = cache or out / "cache"
    around = around or Surroundings()

    def features(
        source: Source, copies: int, perturbation: PerturbationConfig | None, near: Surroundings
    ) -> CachedCorpus:
        def progress(done: int, total: int) -> None:
            if report is not None:
                report(f"features of {source.path.parent.name}", done / total)

        return cache_features(
            source,
            cache,
            preset=base.feature_preset,
            copies=copies,
            perturbation=perturbation,
            around=near,
            seed=settings.seed,
            progress=progress,
        )

    domain = [features(source, settings.copies, NOISY, around) for source in speech]
    others = [features(source, 2, None, general_around or around) for source in general]
    corpora = [*domain, *_balanced(domain, others, settings.general_share)]
    trainer = Trainer(settings.recipe(), corpora, out, base)

    def step(progress: Progress) -> None:
        if report is not None:
            report(f"adapting: loss a label {progress.loss:.3f}, {progress.audio_hours:.2f} h", trainer.share_done())

    if not trainer.finished:
        trainer.run(step)
    (out / "adapt.json").write_text(json.dumps({"corpora": [[c.name, c.weight] for c in corpora]}), encoding="utf-8")
    return trainer.checkpoint_path


def _balanced(domain: Sequence[CachedCorpus], others: Sequence[CachedCorpus], share: float) -> list[CachedCorpus]:
    """Scale the weights of the general corpora so that they are `share` of the frames of an epoch."""
    if not others or share <= 0:
        return []
    factor = _frames(domain) * share / (1 - share) / _frames(others)
    return [replace(c, weight=c.weight * factor) for c in others]


def _frames(corpora: Sequence[CachedCorpus]) -> float:
    """Frames of an epoch."""
    return sum(c.weight * float(c.offsets[-1]) / c.copies for c in corpora)
