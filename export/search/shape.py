"""Shapes of a BERT inside a larger one, and how their weights are cut out of it (AutoTinyBERT, Yin et al. 2021, section 3.2).

Every dimension keeps its leading part: channels of the hidden state, neurons, and the first dimensions of every head; of the
layers, as many evenly spread ones. `ordered` sorts the larger model so that leading parts are the best.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sottovoce.export.compress.width import kept_layers
from sottovoce.export.models.bert import BertConfig

_AXES = [
    (r"embeddings\.(word|position|token_type)\.weight", ("", "hidden")),
    (r".*\.norm\.(weight|bias)", ("hidden",)),
    (r"layer\.\d+\.attention\.(query|key|value)\.(weight|bias)", ("qkv", "hidden")),
    (r"layer\.\d+\.attention\.output\.(weight|bias)", ("hidden", "qkv")),
    (r"layer\.\d+\.ffn\.up\.(weight|bias)", ("ffn", "hidden")),
    (r"layer\.\d+\.ffn\.down\.(weight|bias)", ("hidden", "ffn")),
    (r"pooler\.(weight|bias)", ("hidden", "hidden")),
    (r"(intent|slot)\.(weight|bias)", ("", "hidden")),
]


@dataclass(frozen=True, order=True)
class Shape:
    """All layers alike; heads as many as the larger model has."""

    num_layers: int
    hidden_size: int
    head_size: int
    ffn_size: int

    def config(self, largest: BertConfig) -> BertConfig:
        """The configuration of this shape inside `largest`."""
        return replace(
            largest,
            num_layers=self.num_layers,
            hidden_size=self.hidden_size,
            head_size=self.head_size,
            ffn_size=self.ffn_size,
        )

    @classmethod
    def of(cls, config: BertConfig) -> Shape:
        """The shape that a configuration has."""
        return cls(config.num_layers, config.hidden_size, config.head_size, config.ffn_size)


@dataclass(frozen=True)
class Space:
    """The shapes to search among: choices of every dimension, ascending; the last of each make the largest shape."""

    num_layers: tuple[int, ...]
    hidden_size: tuple[int, ...]
    head_size: tuple[int, ...]
    ffn_size: tuple[int, ...]

    @classmethod
    def within(cls, config: BertConfig, *, step: int = 4) -> Space:
        """Up to the shape of `config`: any number of layers, all other sizes from a third on, heads in steps of 1."""

        def sizes(most: int, by: int) -> tuple[int, ...]:
            return tuple(sorted({most, *range(-(-most // (3 * by)) * by, most, by)}))

        return cls(
            num_layers=tuple(range(1, config.num_layers + 1)),
            hidden_size=sizes(config.hidden_size, step),
            head_size=sizes(config.head_size, 1),
            ffn_size=sizes(config.ffn_size, step),
        )

    def largest(self) -> Shape:
        """The shape of the super-network."""
        return self._pick(-1)

    def smallest(self) -> Shape:
        """The other end."""
        return self._pick(0)

    def sample(self, rng: random.Random) -> Shape:
        """A shape by chance."""
        return Shape(*(rng.choice(choices) for choices in vars(self).values()))

    def mutate(self, shape: Shape, rng: random.Random, share: float) -> Shape:
        """`shape` with each dimension chosen anew with probability `share`, and at least one."""
        names = list(vars(self))
        changed = [name for name in names if rng.random() < share] or [rng.choice(names)]
        return replace(shape, **{name: rng.choice(getattr(self, name)) for name in changed})

    def cross(self, first: Shape, second: Shape, rng: random.Random) -> Shape:
        """Each dimension from one of the two."""
        return Shape(*(rng.choice(pair) for pair in zip(vars(first).values(), vars(second).values(), strict=True)))

    def _pick(self, place: int) -> Shape:
        return Shape(*(choices[place] for choices in vars(self).values()))


def axes(name: str, dimensions: int) -> tuple[str, ...]:
    """What each axis of a tensor runs over: "hidden", "qkv", "ffn" or "". Raises ValueError for a name that is not known."""
    for pattern, found in _AXES:
        if re.fullmatch(pattern, name):
            return found[:dimensions]
    raise ValueError(f"tensor {name!r}: wanted one of a BERT without ghost features or learned quantizers")


def select(weights: Mapping[str, Tensor], indices: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`weights` with the given indices of every axis; gradients pass through."""
    result = {}
    for name, tensor in weights.items():
        for place, axis in enumerate(axes(name, tensor.dim())):
            if axis in indices:
                tensor = tensor.index_select(place, indices[axis])
        result[name] = tensor
    return result


def cut(weights: Mapping[str, Tensor], largest: BertConfig, shape: Shape) -> dict[str, Tensor]:
    """The weights of `shape` inside `largest`; gradients pass through."""
    heads = torch.arange(largest.num_heads)[:, None] * largest.head_size + torch.arange(shape.head_size)
    indices = {
        "hidden": torch.arange(shape.hidden_size),
        "ffn": torch.arange(shape.ffn_size),
        "qkv": heads.flatten(),
    }
    layers = kept_layers(largest.num_layers, shape.num_layers / largest.num_layers)
    chosen = {name: tensor for name, tensor in weights.items() if not name.startswith("layer.")}
    for new, old in enumerate(layers):
        prefix = f"layer.{old}."
        chosen |= {
            f"layer.{new}.{name.removeprefix(prefix)}": tensor
            for name, tensor in weights.items()
            if name.startswith(prefix)
        }
    return select(chosen, indices)


def ordered(weights: Mapping[str, Tensor], config: BertConfig, energy: Tensor) -> dict[str, Tensor]:
    """The same function with channels, neurons and the dimensions of every head in descending use.

    energy: (hidden), of each channel of the states. Neurons go by the size of what they read and write, query and key
    dimensions by their product, value and output dimensions likewise (they share an order: one head has one).
    """
    result = dict(weights)
    for layer in range(config.num_layers):
        attention, ffn = f"layer.{layer}.attention", f"layer.{layer}.ffn"
        neurons = weights[f"{ffn}.up.weight"].norm(dim=1) * weights[f"{ffn}.down.weight"].norm(dim=0)
        scores = weights[f"{attention}.query.weight"].norm(dim=1) * weights[f"{attention}.key.weight"].norm(dim=1)
        passed = weights[f"{attention}.value.weight"].norm(dim=1) * weights[f"{attention}.output.weight"].norm(dim=0)
        starts = torch.arange(config.num_heads)[:, None] * config.head_size

        def by_head(use: Tensor, starts: Tensor = starts) -> Tensor:
            order = use.view(config.num_heads, config.head_size).argsort(dim=1, descending=True, stable=True)
            return (order + starts).flatten()

        parts = {
            "query": by_head(scores),
            "key": by_head(scores),
            "value": by_head(passed),
            "output": by_head(passed),
        }
        for name in weights:
            if name.startswith(f"{attention}.") and ".norm." not in name:
                result[name] = select({name: weights[name]}, {"qkv": parts[name.split(".")[3]]})[name]
            elif name.startswith(f"{ffn}.") and ".norm." not in name:
                result[name] = select({name: weights[name]}, {"ffn": neurons.argsort(descending=True, stable=True)})[
                    name
                ]
    return select(result, {"hidden": energy.argsort(descending=True, stable=True)})
