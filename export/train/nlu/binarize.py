"""BinaryBERT (Bai et al. 2021): half-width ternary model, ternary weight splitting, binary fine-tuning.

    OUT/narrow    float32, half of the heads and neurons     OUT/ternary_narrow   its ternary encoder
    OUT/binary    W1E1A8, calibrated: the result

Two binary products of half width cost what one ternary product of full width does, and hold as many bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from sottovoce.export.compress.binary import split_ternary
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.models.bert import Quantization
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.loop import LoopSettings
from sottovoce.export.train.nlu.narrow import distil_from_wide, narrowed
from sottovoce.export.train.nlu.student_task import Start, compress
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.ternarize import train_quantized


@dataclass(frozen=True)
class BinarySettings:
    """What `binarize` needs to know; epochs and rates of its three trainings."""

    narrow: LoopSettings
    ternary: LoopSettings
    binary: LoopSettings
    width: float = 0.5
    split_words: bool = False  # two binary embedding tables in the place of one


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
        small = narrowed(task, full_precision, settings.width, settings.narrow.seed)
        small = distil_from_wide(task, full_precision, small, out / "narrow", settings.narrow, name="narrow")
    words: WeightKind = "ternary" if settings.split_words else "binary"  # one table is binary from the beginning
    ternary = replace(Quantization.ternary(), word=words)
    start = replace(small, config=replace(small.config, quantization=ternary))
    ternary_small = train_quantized(task, small, start, out / "ternary_narrow", settings.ternary, name="ternarize")
    start = split(ternary_small, split_words=settings.split_words)
    return train_quantized(task, small, start, out / "binary", settings.binary, name="binarize"), small


def train_binary(start: Start, out: Path, settings: BinarySettings) -> Checkpoint:
    """From a float32 checkpoint to the calibrated binary one in OUT/binary; a finished one is only read. Raises as `compress`."""
    return compress(start, out / "binary", settings, lambda task, full: binarize(task, full, out, settings)[0])
