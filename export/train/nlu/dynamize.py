"""DynaBERT (Hou et al. 2020): one ternary network whose first heads, neurons and layers work alone.

    OUT/width   adaptive width      OUT/dyna   adaptive width and depth, calibrated: the result

The student is rewired by importance, then all its sub-networks are distilled from the full-size teacher together: their
gradients add up in the shared weights. Ternary rows are quantized at full width and then cut, as the runtime cuts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sottovoce.errors import InvalidInputError
from sottovoce.export.compress.distillation import StudentWithFit, hidden_loss, logit_losses
from sottovoce.export.compress.fake_quant import fake_quant_rows
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.compress.width import kept_layers, narrow, narrowed_config, rewire
from sottovoce.export.models.bert import BertOutput, JointBert, Quantization
from sottovoce.export.train.nlu.batches import IGNORED, Batch
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Losses
from sottovoce.export.train.nlu.narrow import importance_on
from sottovoce.export.train.nlu.student_task import Start, compress
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_stage import train_on_task

HIDDEN_WEIGHT = 0.1  # of the states beside the logits while only the width varies (section 2.1.2)
Share = tuple[float, float]  # (width, depth)


@dataclass(frozen=True)
class DynaSettings:
    """Which sub-networks are trained, and for how long."""

    width: LoopSettings
    depth: LoopSettings
    widths: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    depths: tuple[float, ...] = (1.0, 0.75, 0.5)
    between: int | None = None  # of the sub-networks between the largest and the smallest, how many a step; None: all


class DynaBert(nn.Module):
    """A joint BERT whose sub-networks share its weights."""

    def __init__(self, full: JointBert, shares: Sequence[Share]) -> None:
        super().__init__()
        self.full = full
        quantization = full.config.quantization
        if quantization.encoder == "ternary":
            quantization = replace(quantization, encoder="ternary_values")
        # Shapes only: the weights of a sub-network are cut out of `full` at every call.
        with torch.device("meta"):
            self._shapes = {
                share: JointBert(replace(narrowed_config(full.config, *share), quantization=quantization))
                for share in shares
            }

    def weights(self) -> dict[str, Tensor]:
        """The weights of all sub-networks: ternary rows are quantized at full width and keep codes and scale when cut."""
        return _encoder_values(dict(self.full.named_parameters()), self.full.config.quantization.encoder)

    def forward(
        self, share: Share, ids: Tensor, keep: Tensor, weights: Mapping[str, Tensor] | None = None
    ) -> BertOutput:
        """Run the sub-network of (width, depth), which the constructor was given, with `weights()`.

        ids, keep: (batch, tokens).
        """
        cut = narrow(self.weights() if weights is None else weights, self.full.config, *share)
        output: BertOutput = functional_call(self._shapes[share], cut, (ids, keep), {"want_hidden": True})
        return output


def _encoder_values(weights: Mapping[str, Tensor], kind: WeightKind) -> dict[str, Tensor]:
    """`weights` with the encoder's products as the runtime reads them; they are quantized before they are cut."""
    return {
        name: fake_quant_rows(tensor, kind) if name.startswith("layer.") and tensor.dim() == 2 else tensor
        for name, tensor in weights.items()
    }


def sub_network(checkpoint: Checkpoint, width: float, depth: float) -> Checkpoint:
    """Return one sub-network as a checkpoint of its own: what the runtime computes at that width and depth.

    Raises InvalidInputError for weights that are not float32 or ternary, which do not keep their codes when cut.
    """
    kind = checkpoint.config.quantization.encoder
    if kind not in ("f32", "ternary"):
        raise InvalidInputError(f"width: wanted f32 or ternary encoder weights, found {kind}")
    weights = _encoder_values(checkpoint.weights, kind)
    config = narrowed_config(checkpoint.config, width, depth)
    return replace(checkpoint, config=config, weights=narrow(weights, checkpoint.config, width, depth))


def sandwich(shares: Sequence[Share], between: int | None) -> list[Share]:
    """The first (largest), the last (smallest) and `between` others by chance (the sandwich rule, Yu and Huang 2019)."""
    others = list(shares[1:-1])
    if between is None or between >= len(others):
        return list(shares)
    chosen = sorted(torch.randperm(len(others))[:between].tolist())
    return [shares[0], *(others[index] for index in chosen), shares[-1]]


def _train(
    task: Task,
    teacher: Checkpoint,
    start: Checkpoint,
    directory: Path,
    settings: LoopSettings,
    shares: Sequence[Share],
    hidden_weight: float,
    between: int | None,
    name: str,
) -> Checkpoint:
    torch.manual_seed(settings.seed)
    above = teacher.build().requires_grad_(False).eval()
    model = start.build()
    dyna = DynaBert(model, shares)

    def losses(batch: Batch) -> Losses:
        with torch.no_grad():
            wanted = above(batch.ids, batch.keep, want_hidden=True)
        total, logits, hidden = torch.zeros(()), torch.zeros(()), torch.zeros(())
        weights = dyna.weights()
        chosen = sandwich(shares, between)
        for share in chosen:
            found = dyna(share, batch.ids, batch.keep, weights)
            # A shallower network's layers stand for the layers they are.
            layers = kept_layers(start.config.num_layers, share[1])
            layers[-1] = start.config.num_layers - 1
            intent, slot = logit_losses(found, wanted, batch.tags != IGNORED)
            states = hidden_loss(StudentWithFit(model, start.config.hidden_size, layers), found, wanted, batch.keep)
            logits, hidden = logits + intent + slot, hidden + states
            total = total + intent + slot + hidden_weight * states
        return {"loss": total / len(chosen), "logits": logits.detach(), "hidden": hidden.detach()}

    def evaluate() -> dict[str, float]:
        values = validation(model, task.encoder, task.splits["valid"])
        smallest = sub_network(start.updated(model), *shares[-1]).build()
        small = validation(smallest, task.encoder, task.splits["valid"])
        return {**values, "smallest_score": small["score"], "score": values["score"] + small["score"]}

    best = train_on_task(name, task, directory, model, model, settings, losses, evaluate)
    return replace(start, weights=best, metrics={}, training={})


def dynamize(task: Task, full_precision: Checkpoint, out: Path, settings: DynaSettings) -> Checkpoint:
    """Rewire, then train (or resume) adaptive width, then width and depth; the ternary checkpoint, not calibrated."""
    importance = importance_on(task, full_precision, settings.width.seed)
    weights = rewire(full_precision.weights, full_precision.config, importance)
    config = replace(
        full_precision.config,
        quantization=Quantization.ternary(),
        adaptive_widths=tuple(round(100 * width) for width in settings.widths),
        adaptive_depths=tuple(round(100 * depth) for depth in settings.depths),
    )
    start = replace(full_precision, weights=weights, config=config)
    wide = start
    if settings.width.epochs:
        widths = [(width, 1.0) for width in settings.widths]
        wide = _train(
            task, full_precision, start, out / "width", settings.width, widths, HIDDEN_WEIGHT, settings.between, "width"
        )
    shares = list(product(settings.widths, settings.depths))
    return _train(
        task, full_precision, wide, out / "dyna", settings.depth, shares, 1.0, settings.between, "width and depth"
    )


def train_dyna(start: Start, out: Path, settings: DynaSettings) -> Checkpoint:
    """From a float32 checkpoint to the calibrated adaptive one in OUT/dyna; a finished one is only read. Raises as `compress`."""
    return compress(start, out / "dyna", settings, lambda task, full: dynamize(task, full, out, settings))
