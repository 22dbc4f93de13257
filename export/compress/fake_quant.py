"""Fake quantization with the runtime's arithmetic (csrc/kernels/gemm.h, vector_ops.h) and straight-through gradients.

A packed product is: quantize each activation row to 8 bits, multiply integers exactly, scale by a_scale * w_scale, add the
bias. The same function serves training and the exact reference, so what is trained is what runs. By convention the gradient
that flows into the integer activations is the gradient of the dequantized activations: the product's backward yields it and
the quantizer's backward hands it on (straight-through estimator).
"""

from __future__ import annotations

import functools
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
    values, scale = _QuantizeActivation.apply(x.float(), keep, clip, granularity)  # type: ignore[no-untyped-call]
    return QuantizedActivation(values, scale)


class WeightCodes(NamedTuple):
    """A weight (rows, cols) as the integer kernels hold it: whole numbers and float32 scales (rows)."""

    codes: Tensor
    scale: Tensor
    exact_in_float32: bool  # their sums of products with 8-bit activations

    @staticmethod
    def of(weight: Tensor, kind: WeightKind) -> WeightCodes:
        """Quantize; ValueError for a kind that is not one matrix of integer codes."""
        if kind in ("ternary", "binary"):
            codes, alpha = ternary_codes(weight) if kind == "ternary" else binary_codes(weight)
            return WeightCodes(codes, alpha.half().float(), weight.shape[-1] * 127 < FLOAT32_EXACT)
        if kind == "ternary_values":
            weight = weight.detach()
            return WeightCodes(weight.sign(), weight.abs().amax(-1), weight.shape[-1] * 127 < FLOAT32_EXACT)
        rows = quantize_rows(weight, kind)
        return WeightCodes(rows.codes, rows.scale.float(), weight.shape[-1] * 127 * 127 < FLOAT32_EXACT)

    def products(self, values: Tensor) -> Tensor:
        """values (..., cols), 8-bit whole numbers -> their exact sums rounded once to float32, (..., rows)."""
        if values.numel() and _integer_products():
            flat = values.reshape(-1, values.shape[-1]).to(torch.int8)
            sums = torch._int_mm(flat, self.codes.to(torch.int8).t())
            return sums.float().view(*values.shape[:-1], -1)
        values, codes = values.float(), self.codes.float()
        with torch.autocast("cpu", enabled=False):
            return values @ codes.t() if self.exact_in_float32 else (values.double() @ codes.double().t()).float()

    def dequantize(self) -> Tensor:
        """The float32 weight (rows, cols)."""
        return self.codes.float() * self.scale.unsqueeze(-1)


@functools.cache
def _integer_products() -> bool:
    """Whether torch multiplies int8 matrices exactly and fast: without VNNI its kernels may saturate in 16 bits."""
    return bool(torch.cpu._is_vnni_supported())


def gradient_dtype() -> torch.dtype:
    """Of the products that gradients are made of: autocast may lower it; the sums of the forward pass stay exact."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


class _QuantizedProduct(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, weight: Tensor, kind: WeightKind) -> Tensor:
        quantized = WeightCodes.of(weight, kind)
        dtype = gradient_dtype()
        # 8-bit whole numbers: bfloat16 holds them exactly.
        ctx.save_for_backward(values.to(dtype), scale, quantized.dequantize().to(dtype))
        return quantized.products(values) * (scale.unsqueeze(-1) * quantized.scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        values, scale, weight = ctx.saved_tensors
        grad = grads[0].to(values.dtype)
        grad_input = (grad @ weight).float() if ctx.needs_input_grad[0] else None
        grad_weight = None
        if ctx.needs_input_grad[2]:
            scaled = grad * scale.unsqueeze(-1).to(grad.dtype)
            grad_weight = (scaled.reshape(-1, grad.shape[-1]).t() @ values.reshape(-1, values.shape[-1])).float()
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
