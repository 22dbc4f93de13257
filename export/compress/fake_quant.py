"""Fake quantization with the runtime's arithmetic (csrc/kernels/gemm.h, vector_ops.h) and straight-through gradients.

A packed product is: quantize each activation row to 8 bits, multiply integers exactly, scale by a_scale * w_scale, add the
bias. The same function serves training and the exact reference, so what is trained is what runs. By convention the gradient
that flows into the integer activations is the gradient of the dequantized activations: the product's backward yields it and
the quantizer's backward hands it on (straight-through estimator).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from sottovoce.export.compress.binary import binarize_rows, binary_codes
from sottovoce.export.compress.quantized_rows import QuantizedRows, WeightKind
from sottovoce.export.compress.ternary import quantize_rows_int8, ternarize_rows, ternary_codes

Granularity = Literal["token", "tensor"]

FLOAT32_EXACT = 1 << 24  # float32 adds integers exactly below this


def quantize_rows(weight: Tensor, kind: WeightKind) -> QuantizedRows:
    """`weight` (rows, cols) by `kind`. Raises ValueError for a kind that is not one matrix of integer codes."""
    if kind == "ternary":
        return ternarize_rows(weight)
    if kind == "binary":
        return binarize_rows(weight)
    if kind == "int8":
        return quantize_rows_int8(weight)
    raise ValueError(f"weight kind: wanted int8, ternary or binary, found {kind!r}")


class QuantizedActivation(NamedTuple):
    """x (..., cols) ~= values * scale[..., None]; values are whole numbers in [-127, 127] held in float32."""

    values: Tensor
    scale: Tensor


class _QuantizeActivation(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, keep: Tensor | None, clip: float, granularity: Granularity
    ) -> tuple[Tensor, Tensor]:
        ctx.clip = clip
        if clip > 0:
            ctx.save_for_backward(x)
            x = x.clamp(-clip, clip)
        peak = x.abs().amax(-1)
        if granularity == "tensor":
            # One scale an utterance: padding of a batch must not count, the runtime never sees it.
            peak = peak if keep is None else peak * keep
            peak = peak.amax(-1, keepdim=True).expand_as(peak)
        # A true division, as the runtime's: torch computes `127.0 / peak` as 127 times a rounded reciprocal.
        factor = torch.where(peak > 0, torch.full_like(peak, 127.0) / peak, torch.zeros_like(peak))
        # Padding rows of a batch may exceed a per-tensor peak; they are dropped later, the clamp keeps them 8-bit.
        values = (x * factor.unsqueeze(-1)).round_().clamp_(-127, 127)
        scale = peak / 127.0
        ctx.mark_non_differentiable(scale)
        return values, scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = grads[0]
        if ctx.clip > 0:
            (x,) = ctx.saved_tensors
            grad = grad * (x.abs() < ctx.clip)
        return grad, None, None, None


def quantize_activation(
    x: Tensor, *, keep: Tensor | None = None, clip: float = 0.0, granularity: Granularity = "token"
) -> QuantizedActivation:
    """Dynamic symmetric 8 bits: m = max|x| of a token (or of an utterance), q = round_half_even(x * (127 / m)), scale = m / 127.

    x: (batch, tokens, cols); keep: (batch, tokens), 0 at padding; clip > 0 bounds x first. An all-zero row gives zeros.
    """
    values, scale = _QuantizeActivation.apply(x, keep, clip, granularity)  # type: ignore[no-untyped-call]
    return QuantizedActivation(values, scale)


class _QuantizedProduct(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, weight: Tensor, kind: WeightKind) -> Tensor:
        if kind in ("ternary", "binary"):
            codes, alpha = ternary_codes(weight) if kind == "ternary" else binary_codes(weight)
            weight_scale = alpha.half().float()
        else:
            rows = quantize_rows(weight, kind)
            codes, weight_scale = rows.codes.float(), rows.scale.float()
        largest = weight.shape[-1] * 127 * (127 if kind == "int8" else 1)
        exact = largest < FLOAT32_EXACT
        accumulator = values @ codes.t() if exact else (values.double() @ codes.double().t()).float()
        ctx.save_for_backward(values, scale, codes, weight_scale)
        return accumulator * (scale.unsqueeze(-1) * weight_scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        values, scale, codes, weight_scale = ctx.saved_tensors
        grad = grads[0]
        grad_input = (grad * weight_scale) @ codes
        scaled = (grad * scale.unsqueeze(-1)).flatten(0, -2)
        grad_weight = scaled.t() @ values.flatten(0, -2)
        return grad_input, None, grad_weight, None


def quantized_product(x: QuantizedActivation, weight: Tensor, bias: Tensor | None, kind: WeightKind) -> Tensor:
    """y = float(sum q * w) * (a_scale * w_scale) + bias, bit for bit what GemmQd8Q2 and GemmQd8Q8 compute.

    x: (..., cols); weight: float shadow (rows, cols); bias: (rows) or None; result (..., rows) float32.
    """
    y: Tensor = _QuantizedProduct.apply(x.values, x.scale, weight, kind)  # type: ignore[no-untyped-call]
    return y if bias is None else y + bias


def float_product(x: QuantizedActivation, weight: Tensor, bias: Tensor | None, kind: WeightKind) -> Tensor:
    """The same product computed on dequantized floats, as most fake-quantization code does; differs by rounding only."""
    dense = x.values * x.scale.unsqueeze(-1)
    return torch.nn.functional.linear(dense, quantize_rows(weight, kind).dequantize(), bias)


class _FakeQuantRows(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, kind: WeightKind) -> Tensor:
        return quantize_rows(rows, kind).dequantize()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0], None


def fake_quant_rows(rows: Tensor, kind: WeightKind) -> Tensor:
    """Embedding rows (..., cols) as the runtime reads them, straight-through gradient; `f32` returns them unchanged."""
    if kind == "f32":
        return rows
    quantized: Tensor = _FakeQuantRows.apply(rows, kind)  # type: ignore[no-untyped-call]
    return quantized
