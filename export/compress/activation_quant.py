"""Learned and asymmetric activation quantizers (BinaryBERT, Bai et al. 2021; LSQ, Esser et al. 2020), as the runtime has them.

    dynamic   the largest magnitude (or the range) of the tokens decides, after a fixed clip
    clipped   the same within learned bounds (low, high)
    stepped   a learned step; an asymmetric one counts from the smallest value of the tokens

With b bits, top = 2^(b-1) - 1. Symmetric codes lie in [-top, top], stepped ones in [-top - 1, top]; asymmetric ones count
2 top + 2 levels upwards from the minimum and are stored from -top - 1 on, which the offset makes up for:
x ~= code * scale + offset. Tests hold csrc/kernels/elementwise/quantize_rows.cc to every integer of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from sottovoce.export.compress.fake_quant import Granularity, QuantizedActivation, quantize_rows, quantized_product
from sottovoce.export.compress.quantized_rows import WeightKind

QuantizerKind = Literal["dynamic", "clipped", "stepped"]
RANGE_FLOOR = 1e-8  # added to a dynamic range, as BinaryBERT's code does: a constant tensor has none


@dataclass(frozen=True)
class ActivationQuantizer:
    """How one tensor of activations becomes integers."""

    kind: QuantizerKind = "dynamic"
    bits: int = 8
    symmetric: bool = True
    granularity: Granularity = "token"
    clip: float = 0.0  # of `dynamic`; 0 = none

    @property
    def top(self) -> int:
        """The largest code."""
        return int(2 ** (self.bits - 1)) - 1

    @property
    def learned(self) -> int:
        """How many learned numbers it has: (low, high), a step, or none."""
        return {"dynamic": 0, "clipped": 2, "stepped": 1}[self.kind]

    def initial(self) -> Tensor:
        """Learned numbers to begin with; a step is better begun from data (`initial_step`)."""
        return torch.tensor({"dynamic": [], "clipped": [-2.5, 2.5], "stepped": [0.1]}[self.kind])


class OffsetActivation(NamedTuple):
    """x (..., cols) ~= quantized.values * quantized.scale[..., None] + offset[..., None]."""

    quantized: QuantizedActivation
    offset: Tensor


def initial_step(x: Tensor, quantizer: ActivationQuantizer) -> Tensor:
    """LSQ's first step from activations x: 2 mean|x| / sqrt(top), twice that for an asymmetric quantizer (BinaryBERT's code)."""
    factor = 2.0 if quantizer.symmetric else 4.0
    levels = quantizer.top if quantizer.symmetric else 2 * quantizer.top + 1
    step: Tensor = factor * x.detach().abs().mean() / levels**0.5
    return step.reshape(1)


def _extreme(x: Tensor, keep: Tensor, quantizer: ActivationQuantizer, largest: bool) -> Tensor:
    """The largest or smallest kept value of each token, or of the utterance, at every token; 0 where nothing is kept."""
    outside = float("-inf") if largest else float("inf")
    value = x.masked_fill(keep == 0, outside)
    value = value.amax(-1) if largest else value.amin(-1)
    if quantizer.granularity == "tensor":
        value = value.flatten(1).amax(1) if largest else value.flatten(1).amin(1)
        value = value.view(-1, *[1] * (x.dim() - 2)).expand(x.shape[:-1])
    return torch.where(value == outside, torch.zeros_like(value), value)


class _Quantize(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, keep: Tensor, learned: Tensor, quantizer: ActivationQuantizer
    ) -> tuple[Tensor, Tensor, Tensor]:
        top, symmetric, stepped = quantizer.top, quantizer.symmetric, quantizer.kind == "stepped"
        ctx.quantizer = quantizer
        if stepped:
            step = learned[0]
            scale, inverse = step.expand(x.shape[:-1]), (torch.ones_like(step) / step).expand(x.shape[:-1])
            base = torch.zeros_like(scale) if symmetric else _extreme(x, keep, quantizer, largest=False)
        else:
            low, high = (-quantizer.clip, quantizer.clip) if quantizer.kind == "dynamic" else learned.tolist()
            ctx.low, ctx.high = (low, high) if low < high else (float("-inf"), float("inf"))
            bounded = x.clamp(ctx.low, ctx.high)
            most, least = (_extreme(bounded, keep, quantizer, largest=largest) for largest in (True, False))
            levels = top if symmetric else 2 * top + 1
            span = torch.maximum(most, -least) if symmetric else (most - least) + RANGE_FLOOR
            scale, inverse = span / levels, torch.full_like(span, levels) / span
            inverse = torch.where(span > 0, inverse, torch.zeros_like(inverse))
            base = torch.zeros_like(scale) if symmetric else least
        counted = ((x if stepped else bounded) - base.unsqueeze(-1)) * inverse.unsqueeze(-1)
        bottom = 0 if not symmetric else -top - 1 if stepped else -top
        codes = counted.round().clamp_(bottom, 2 * top + 1 if not symmetric else top)
        below = 0 if symmetric else top + 1
        ctx.save_for_backward(x, keep, learned, counted if stepped else x.new_empty(0))
        ctx.bottom, ctx.levels = bottom, top if symmetric else 2 * top + 1
        offset = base + scale * below
        ctx.mark_non_differentiable(scale, offset)
        return codes - below, scale, offset

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, keep, _, counted = ctx.saved_tensors
        grad, quantizer = grads[0], ctx.quantizer
        if quantizer.kind == "stepped":
            inside = (counted >= ctx.bottom) & (counted <= ctx.levels)
            # LSQ, equation 3: d x^ / d step is q - x / step within the range and the bound outside of it.
            slope = torch.where(inside, counted.round() - counted, counted.clamp(ctx.bottom, ctx.levels))
            balance = 1 / (x.numel() * ctx.levels) ** 0.5
            return grad * inside, None, ((grad * slope * keep).sum() * balance).reshape(1), None
        low, high = x <= ctx.low, x >= ctx.high
        learned_grad = None
        if quantizer.kind == "clipped":
            learned_grad = torch.stack([(grad * low).sum(), (grad * high).sum()])
        return grad * ~(low | high), None, learned_grad, None


def quantize_offset(x: Tensor, quantizer: ActivationQuantizer, learned: Tensor, keep: Tensor) -> OffsetActivation:
    """x as integers with a scale and an offset a token.

    x: (batch, ..., cols); keep: broadcastable to x, 0 at what is padding and must not decide for the rest; learned: (2,) bounds,
    (1,) step or (0,).
    """
    values, scale, offset = _Quantize.apply(x.float(), keep, learned, quantizer)  # type: ignore[no-untyped-call]
    return OffsetActivation(QuantizedActivation(values, scale), offset)


class _Dequantize(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        return values * scale.unsqueeze(-1) + offset.unsqueeze(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0], None, None  # by convention the gradient of the dequantized value (fake_quant.py)


def fake_quantize(x: Tensor, quantizer: ActivationQuantizer, learned: Tensor, keep: Tensor) -> Tensor:
    """x as floats that are integers times a scale plus an offset: an operand of attention."""
    (values, scale), offset = quantize_offset(x, quantizer, learned, keep)
    dense: Tensor = _Dequantize.apply(values, scale, offset)  # type: ignore[no-untyped-call]
    return dense


class _RowSums(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, kind: WeightKind) -> Tensor:
        ctx.cols = weight.shape[-1]
        rows = quantize_rows(weight, kind)
        return rows.codes.sum(-1).float() * rows.scale.float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0].unsqueeze(-1).expand(-1, ctx.cols), None


def offset_bias(x: OffsetActivation, weight: Tensor, bias: Tensor | None, kind: WeightKind) -> Tensor:
    """(..., rows): the bias of a product of shifted codes, bias + offset * the sum of each weight row."""
    sums: Tensor = _RowSums.apply(weight, kind)  # type: ignore[no-untyped-call]
    shift = x.offset.unsqueeze(-1) * sums
    return shift if bias is None else bias + shift


def offset_product(x: OffsetActivation, weight: Tensor, bias: Tensor | None, kind: WeightKind) -> Tensor:
    """y = float(sum q * w) * (a_scale * w_scale) + (bias + offset * sum w)."""
    return quantized_product(x.quantized, weight, None, kind) + offset_bias(x, weight, bias, kind)
