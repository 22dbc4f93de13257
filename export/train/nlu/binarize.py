"""BinaryBERT (Bai et al. 2021): half-width ternary model, ternary weight splitting, binary fine-tuning.

    OUT/narrow    float32, half of the heads and neurons     OUT/ternary_narrow   its ternary encoder
    OUT/binary    W1E1A8, calibrated: the result

Two binary products of half width cost what one ternary product of full width does, and hold as many bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from sottovoce.export.compress.binary import split_ternary
from sottovoce.export.compress.distillation import StudentWithFit, hidden_loss, logit_losses
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.compress.width import measure_importance, narrow, narrowed_config, rewire
from sottovoce.export.models.bert import JointBert, Quantization
from sottovoce.export.train.nlu.batches import IGNORED, Batch
from sottovoce.export.train.nlu.calibrate import calibrate
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Losses, Stage, run_stage
from sottovoce.export.train.nlu.student_task import open_student
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import supervised_losses
from sottovoce.export.train.nlu.ternarize import train_quantized

IMPORTANCE_BATCHES = 40


@dataclass(frozen=True)
class BinarySettings:
    """What `binarize` needs to know; epochs and rates of its three trainings."""

    narrow: LoopSettings
    ternary: LoopSettings
    binary: LoopSettings
    width: float = 0.5
    split_words: bool = False  # two binary embedding tables in the place of one


def narrow_student(
    task: Task, teacher: Checkpoint, directory: Path, settings: LoopSettings, width: float
) -> Checkpoint:
    """Rewire by importance, cut to `width`, distil from the full width (states and logits: heads no longer correspond)."""
    torch.manual_seed(settings.seed)
    above = teacher.build()
    batches = islice(task.batches(0, settings.seed, augment=False), IMPORTANCE_BATCHES)
    importance = measure_importance(
        above, batches, lambda batch: supervised_losses(above(batch.ids, batch.keep), batch)["loss"]
    )
    above.requires_grad_(False).eval()
    config = narrowed_config(teacher.config, width)
    model = JointBert(config)
    model.load_state_dict(narrow(rewire(teacher.weights, teacher.config, importance), teacher.config, width))
    student = StudentWithFit(model, config.hidden_size, range(config.num_layers))

    def losses(batch: Batch) -> Losses:
        with torch.no_grad():
            wanted = above(batch.ids, batch.keep, want_hidden=True)
        found = model(batch.ids, batch.keep, want_hidden=True)
        hidden = hidden_loss(student, found, wanted, batch.keep)
        intent, slot = logit_losses(found, wanted, batch.tags != IGNORED)
        return {"loss": hidden + intent + slot, "hidden": hidden, "intent": intent, "slot": slot}

    stage = Stage(
        name="narrow",
        directory=directory,
        model=model,
        trained=student,
        settings=settings,
        make_batches=lambda epoch: task.batches(epoch, settings.seed),
        losses=losses,
        evaluate=lambda: validation(model, task.encoder, task.splits["valid"]),
    )
    best = run_stage(stage)
    assert best is not None
    return replace(teacher, config=config, weights=best, metrics={}, training={})


def split(checkpoint: Checkpoint, *, split_words: bool = False) -> Checkpoint:
    """Ternary weight splitting of the encoder (and, if asked, of the word embeddings): the same function, twice the bits."""
    quantization = Quantization.binary(split_words=split_words)
    weights: dict[str, Tensor] = {}
    for name, tensor in checkpoint.weights.items():
        product = name.startswith("layer.") and tensor.dim() == 2
        if product or (split_words and name == "embeddings.word.weight"):
            weights[name], weights[f"{name}_2"] = split_ternary(tensor)
        else:
            weights[name] = tensor
    return replace(checkpoint, config=replace(checkpoint.config, quantization=quantization), weights=weights)


def binarize(
    task: Task, full_precision: Checkpoint, out: Path, settings: BinarySettings
) -> tuple[Checkpoint, Checkpoint]:
    """Run (or resume) the three trainings; returns the binary checkpoint, not calibrated, and its float32 narrow teacher."""
    small = full_precision
    if settings.width < 1:
        small = narrow_student(task, full_precision, out / "narrow", settings.narrow, settings.width)
    words: WeightKind = "ternary" if settings.split_words else "binary"  # one table is binary from the beginning
    ternary = replace(Quantization.ternary(), word=words)
    start = replace(small, config=replace(small.config, quantization=ternary))
    ternary_small = train_quantized(task, small, start, out / "ternary_narrow", settings.ternary, name="ternarize")
    start = split(ternary_small, split_words=settings.split_words)
    return train_quantized(task, small, start, out / "binary", settings.binary, name="binarize"), small


def train_binary(
    student: Path,
    data: Path,
    out: Path,
    name: str,
    settings: BinarySettings,
    *,
    outliers: Sequence[Path] = (),
    batch_size: int = 32,
    threads: int = 1,
) -> Checkpoint:
    """From a float32 checkpoint directory to the calibrated binary one in OUT/binary; a finished one is only read.

    Raises as `open_student`.
    """
    final = out / "binary"
    if (final / "config.json").exists():
        return load_checkpoint(final)
    full, task, held = open_student(
        student, data, outliers, batch_size=batch_size, seed=settings.binary.seed, threads=threads
    )
    binary, _ = binarize(task, full, out, settings)
    stages = {key: asdict(value) for key, value in vars(settings).items() if isinstance(value, LoopSettings)}
    training = {**stages, "width": settings.width, "split_words": settings.split_words, "batch_size": batch_size}
    binary = replace(binary, name=name, training=training, attribution=full.attribution)
    binary = calibrate(binary, task, held, full_precision=full)
    save_checkpoint(binary, final)
    return binary
