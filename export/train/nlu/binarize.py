"""BinaryBERT (Bai et al. 2021): half-width ternary model, ternary weight splitting, binary fine-tuning.

    OUT/narrow    float32, half of the heads and neurons     OUT/ternary_narrow   its ternary encoder
    OUT/binary    W1E1A8 (or W1E1A4), calibrated: the result

Two binary products of half width cost what one ternary product of full width does, and hold as many bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sottovoce.export.compress.activation_quant import initial_step
from sottovoce.export.compress.binary import split_ternary
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.models.bert import JointBert, Quantization, Role, Trace
from sottovoce.export.train.nlu.batches import Batch
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
    activation_bits: Literal[4, 8] = 8  # of the inputs of encoder products


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


@torch.no_grad()
def four_bit_inputs(checkpoint: Checkpoint, batch: Batch) -> Checkpoint:
    """The same weights with 4-bit inputs of the encoder's products, to be trained (BinaryBERT's A4, section 4.1).

    Steps are learned (LSQ), first guessed from one batch; the input of ffn.down, which GELU leaves lopsided, counts from the
    smallest value of its tokens.
    """
    trace: Trace = {}
    checkpoint.build().eval()(batch.ids, batch.keep, trace=trace)
    config = replace(checkpoint.config, input_quantizer="stepped", activation_bits=4, asymmetric_inputs=("ffn.down",))
    weights: dict[str, Tensor] = dict(checkpoint.weights)
    model = JointBert(config)
    for name, step in model.named_parameters():
        if not name.endswith(".input_step"):
            continue
        product = name.removesuffix(".input_step")
        shared = product.rpartition(".")[2] in ("query", "key", "value")  # one input for the three
        source = f"{product.rpartition('.')[0]}.input" if shared else f"{product}.input"
        x = trace[f"{source}.values"] * trace[f"{source}.scale"].unsqueeze(-1)
        kept = x[batch.keep[:, : x.shape[1]] > 0]
        role: Role = "ffn.down" if product.endswith("ffn.down") else "products"
        weights[name] = initial_step(kept, config.quantizer(role)).repeat(len(step))
    return replace(checkpoint, config=config, weights=weights)


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
    if settings.activation_bits == 4:
        start = four_bit_inputs(start, task.batches(0, settings.binary.seed, augment=False)[0])
    if not settings.binary.epochs:
        return start, small
    return train_quantized(task, small, start, out / "binary", settings.binary, name="binarize"), small


def train_binary(start: Start, out: Path, settings: BinarySettings) -> Checkpoint:
    """From a float32 checkpoint to the calibrated binary one in OUT/binary; a finished one is only read. Raises as `compress`."""
    return compress(start, out / "binary", settings, lambda task, full: binarize(task, full, out, settings)[0])
