"""GhostBERT (Huang et al., ACL 2021): a width-pruned model, made richer by cheap convolutions over the tokens, and distilled.

    OUT/narrow   float32, pruned, with ghost features     OUT/ghost   the same in ternary (or as it is), calibrated: the result

The features start as a second and third copy of what they read, and the products before them as that much smaller, so training
begins with exactly the pruned model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from sottovoce.export.models.bert import Quantization
from sottovoce.export.models.ghost import KERNEL_TOKENS
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.loop import LoopSettings
from sottovoce.export.train.nlu.narrow import distil_from_wide, narrowed
from sottovoce.export.train.nlu.student_task import Start, compress
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.ternarize import train_quantized

CENTRE_LOGIT = 5.0  # of a fresh kernel's middle token; its neighbours have 0, and share 1.3 % of the weight


@dataclass(frozen=True)
class GhostSettings:
    """How much is pruned, and what is added."""

    narrow: LoopSettings
    ternary: LoopSettings | None  # None: the result stays float32
    width: float = 0.5
    features: int = 1


def add_ghosts(checkpoint: Checkpoint, features: int) -> Checkpoint:
    """The same function, but for the neighbours' small share, with `features` ghost features at every site."""
    config = replace(checkpoint.config, ghost_features=features)
    weights: dict[str, Tensor] = dict(checkpoint.weights)
    kernel = torch.zeros(features, config.hidden_size, KERNEL_TOKENS)
    kernel[:, :, KERNEL_TOKENS // 2] = CENTRE_LOGIT
    for layer in range(config.num_layers):
        for branch, product in (("attention", "output"), ("ffn", "down")):
            weights[f"layer.{layer}.{branch}.ghost.weight"] = kernel.clone()
            for part in ("weight", "bias"):
                name = f"layer.{layer}.{branch}.{product}.{part}"
                weights[name] = weights[name] / (1 + features)
    return replace(checkpoint, config=config, weights=weights)


def train_ghost(start: Start, out: Path, settings: GhostSettings) -> Checkpoint:
    """From a float32 model to the calibrated one in OUT/ghost; a finished one is only read. Raises as `compress`."""

    def train(task: Task, full: Checkpoint) -> Checkpoint:
        small = add_ghosts(narrowed(task, full, settings.width, settings.narrow.seed), settings.features)
        small = distil_from_wide(task, full, small, out / "narrow", settings.narrow, name="ghost")
        if settings.ternary is None:
            return small
        quantized = replace(small, config=replace(small.config, quantization=Quantization.ternary()))
        return train_quantized(task, small, quantized, out / "ghost", settings.ternary, name="ternarize")

    return compress(start, out / "ghost", settings, train)
