"""Adaptive width and depth (DynaBERT, Hou et al. 2020): sort heads and neurons by importance, then keep the first ones.

Importance is a first-order estimate of the loss a part's removal costs (section 2.1.1, equation 2): |sum of weight x gradient|
of a batch, summed over batches. The reference code never clears its gradients between batches; here every batch counts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from sottovoce.errors import InvalidInputError
from sottovoce.export.models.bert import BertConfig, JointBert

BatchT = TypeVar("BatchT")
Weights = dict[str, Tensor]

_BY_HEAD = ("query", "key", "value")  # of which rows belong to heads; of `output`, columns do


@dataclass
class Importance:
    """heads: (layers, num_heads); neurons: (layers, ffn_size)."""

    heads: Tensor
    neurons: Tensor


def measure_importance(model: JointBert, batches: Iterable[BatchT], loss: Callable[[BatchT], Tensor]) -> Importance:
    """Return the importance of every head and every neuron over some batches; the model's gradients are cleared."""
    config = model.config
    heads = torch.zeros(config.num_layers, config.num_heads)
    neurons = torch.zeros(config.num_layers, config.ffn_size)
    weights = dict(model.named_parameters())
    for batch in batches:
        model.zero_grad()
        loss(batch).backward()  # type: ignore[no-untyped-call]

        def product(name: str) -> Tensor:
            gradient = weights[name].grad
            assert gradient is not None
            return weights[name].detach() * gradient

        for layer in range(config.num_layers):
            # A mask on a head's output has the gradient sum(W x dW) over the columns that read that head.
            columns = product(f"layer.{layer}.attention.output.weight").sum(0)
            heads[layer] += columns.view(config.num_heads, config.head_size).sum(1).abs()
            rows = product(f"layer.{layer}.ffn.up.weight").sum(1) + product(f"layer.{layer}.ffn.up.bias")
            neurons[layer] += rows.abs() + product(f"layer.{layer}.ffn.down.weight").sum(0).abs()
    model.zero_grad()
    return Importance(heads, neurons)


def rewire(weights: Mapping[str, Tensor], config: BertConfig, importance: Importance) -> Weights:
    """The same network with its heads and neurons in descending importance, so that `narrow` keeps the best."""
    result = dict(weights)
    for layer in range(config.num_layers):
        order = importance.heads[layer].argsort(descending=True, stable=True)
        units = (order[:, None] * config.head_size + torch.arange(config.head_size)).flatten()
        neurons = importance.neurons[layer].argsort(descending=True, stable=True)
        for name, tensor in weights.items():
            result[name] = (
                _select(name, layer, tensor, units, neurons) if name.startswith(f"layer.{layer}.") else result[name]
            )
    return result


def narrowed_config(config: BertConfig, width: float, depth: float = 1.0) -> BertConfig:
    """The shape of a sub-network: round(width x heads) heads, neurons in the same share, round(depth x layers) layers.

    Raises InvalidInputError for a share outside (0, 1].
    """
    for name, share in (("width", width), ("depth", depth)):
        if not 0 < share <= 1:
            raise InvalidInputError(f"{name}: wanted a share in (0, 1], found {share}")
    heads = max(1, round(config.num_heads * width))
    return replace(
        config,
        num_heads=heads,
        ffn_size=config.ffn_size * heads // config.num_heads,
        num_layers=len(kept_layers(config.num_layers, depth)),
        adaptive_widths=(),
        adaptive_depths=(),
    )


def kept_layers(num_layers: int, depth: float) -> list[int]:
    """Layers of a shallower network: floor(i / depth) for i < round(depth x layers); 0.75 of 12 drops 3, 7 and 11."""
    return [min(num_layers - 1, int(i / depth)) for i in range(max(1, round(num_layers * depth)))]


def narrow(weights: Mapping[str, Tensor], config: BertConfig, width: float, depth: float = 1.0) -> Weights:
    """Weights of the sub-network: views of the first heads and neurons of the kept layers (gradients pass through)."""
    small = narrowed_config(config, width, depth)
    units, neurons = slice(small.qkv_size), slice(small.ffn_size)
    layers = kept_layers(config.num_layers, depth)
    result = {name: tensor for name, tensor in weights.items() if not name.startswith("layer.")}
    for new, old in enumerate(layers):
        prefix = f"layer.{old}."
        for name, tensor in weights.items():
            if name.startswith(prefix):
                result[f"layer.{new}.{name.removeprefix(prefix)}"] = _select(name, old, tensor, units, neurons)
    return result


def _select(name: str, layer: int, tensor: Tensor, units: Tensor | slice, neurons: Tensor | slice) -> Tensor:
    """The part of one tensor of a layer that belongs to the given attention units and neurons."""
    block, part, *_ = name.removeprefix(f"layer.{layer}.").split(".")
    weight = tensor.dim() == 2
    if block == "attention" and part in _BY_HEAD:
        return tensor[units]
    if block == "attention" and part == "output" and weight:
        return tensor[:, units]
    if block == "ffn" and part == "up":
        return tensor[neurons]
    if block == "ffn" and part == "down" and weight:
        return tensor[:, neurons]
    return tensor
