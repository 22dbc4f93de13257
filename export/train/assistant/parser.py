"""The parser of a domain: a small BERT learns its intents and slots from clean and from misheard sentences."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sottovoce.errors import InvalidInputError
from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.models.bert import JointBert
from sottovoce.export.train.assistant.confusion import spelling_noise
from sottovoce.export.train.assistant.parser_base import cut_vocabulary
from sottovoce.export.train.nlu.artifact_start import checkpoint_tokenizer
from sottovoce.export.train.nlu.augmentation import Augmenter
from sottovoce.export.train.nlu.batches import Batch, Encoder, Labels
from sottovoce.export.train.nlu.calibrate import calibrate
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Stage, run_stage
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import supervised_losses
from sottovoce.export.train.nlu.ternarize import ternarize

OTHER_INTENT = (
    "other"  # of sentences out of scope, where the domain has a single intent: one class alone rejects nothing
)
HELD_OUT = 0.06  # share of the sentences that validate


@dataclass(frozen=True)
class ParserSettings:
    """Epochs and rates of the two stages."""

    float_epochs: int = 3
    ternary_epochs: int = 3
    float_rate: float = 4e-4
    head_rate: float = 2e-3
    ternary_rate: float = 4e-4
    spelling_share: float = 0.04  # of the words of a training sentence whose spelling changes
    seed: int = 1


class _NoisyAugmenter(Augmenter):
    """Misspells; slot values are not exchanged: sentences come from a grammar, and heard values belong to their place."""

    share = 0.0

    def vary(self, utterance: Utterance, rng: random.Random) -> Utterance:
        return spelling_noise(utterance, rng, self.share)


def train_parser(
    base: Checkpoint,
    utterances: Sequence[Utterance],
    outliers: Sequence[str],
    out: Path,
    *,
    name: str,
    settings: ParserSettings | None = None,
    attribution: Sequence[str] = (),
) -> Checkpoint:
    """Return the calibrated ternary parser; `out`/float and `out`/ternary keep the stages, a killed run goes on.

    Args:
        base: whose encoder and word pieces the parser begins with.
        utterances: of the domain, clean and misheard.
        outliers: sentences of no intent.
    Raises:
        InvalidInputError: too few utterances.
    """
    settings = settings or ParserSettings()
    if len(utterances) < 20:
        raise InvalidInputError(f"parser: wanted at least 20 sentences, found {len(utterances)}")
    rng = random.Random(f"{settings.seed} parser")
    known = list(utterances)
    outside = list(outliers)
    rng.shuffle(known)
    rng.shuffle(outside)
    if len({u.intent for u in known}) == 1:
        half = len(outside) // 2
        known += [Utterance(text.split(), ["O"] * len(text.split()), OTHER_INTENT) for text in outside[:half]]
        outside = outside[half:]
        rng.shuffle(known)
    held = max(5, round(len(known) * HELD_OUT))
    base = cut_vocabulary(base, [u.words for u in known] + [text.split() for text in outliers])
    labels = Labels.collect(known)
    calibrating = outside[: len(outside) // 10]
    augmenter = _NoisyAugmenter.collect(known)
    augmenter.share = settings.spelling_share
    task = Task(
        {"train": known[held:], "valid": known[:held]},
        labels,
        Encoder(checkpoint_tokenizer(base), labels),
        augmenter,
        outside[len(calibrating) :],
    )
    full = _stage(out / "float", lambda folder: _fine_tune(base, task, folder, settings))
    quantized = LoopSettings(
        epochs=settings.ternary_epochs, learning_rate=settings.ternary_rate, warmup=0.05, seed=settings.seed
    )

    def make_ternary(folder: Path) -> Checkpoint:
        trained = calibrate(ternarize(task, full, folder, quantized), task, calibrating, full_precision=full)
        return replace(trained, name=name, attribution={"sources": list(attribution)})

    return _stage(out / "ternary", make_ternary)


def _stage(folder: Path, make: Callable[[Path], Checkpoint]) -> Checkpoint:
    if (folder / "config.json").exists():
        return load_checkpoint(folder)
    checkpoint = make(folder)
    save_checkpoint(checkpoint, folder)
    return checkpoint


def _fine_tune(base: Checkpoint, task: Task, folder: Path, settings: ParserSettings) -> Checkpoint:
    torch.manual_seed(settings.seed)
    config = replace(base.config, num_intents=len(task.labels.intents), num_slots=len(task.labels.tags))
    model = JointBert(config)
    weights = {name: value for name, value in base.weights.items() if not name.startswith(("intent.", "slot."))}
    model.load_state_dict(weights, strict=False)

    def losses(batch: Batch) -> dict[str, torch.Tensor]:
        return supervised_losses(model(batch.ids, batch.keep), batch)

    stage = Stage(
        name="parser",
        directory=folder,
        model=model,
        trained=model,
        settings=LoopSettings(
            epochs=settings.float_epochs,
            learning_rate=settings.float_rate,
            head_learning_rate=settings.head_rate,
            seed=settings.seed,
        ),
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=losses,
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
    )
    best = run_stage(stage)
    assert best is not None
    return replace(
        base,
        config=config,
        intent_labels=task.labels.intents,
        slot_labels=task.labels.tags,
        weights=best,
        metrics={},
        training={},
    )
