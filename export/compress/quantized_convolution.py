"""A convolution as the runtime computes it: the frames (and bins) an output sees, quantized with one scale, times the weight."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from sottovoce.export.compress.fake_quant import WeightCodes, gradient_dtype
from sottovoce.export.compress.quantized_rows import WeightKind

Pair = tuple[int, int]


class _QuantizedConvolution(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, kernel: Pair, stride: Pair, kind: WeightKind) -> Tensor:
        quantized = WeightCodes.of(weight, kind)
        last = x.movedim(1, -1).contiguous()  # (batch, time, freq, channels)
        windows = last.unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1]).movedim(3, -1)
        peak = last.abs().amax(-1).unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1]).amax((-2, -1))
        factor = torch.where(peak > 0, torch.full_like(peak, 127.0) / peak, torch.zeros_like(peak))
        rows = torch.empty(windows.shape, dtype=last.dtype)
        torch.mul(windows, factor[..., None, None, None], out=rows).round_()
        y = quantized.products(rows.flatten(3)) * ((peak / 127.0).unsqueeze(-1) * quantized.scale)
        dtype = gradient_dtype()
        dense = quantized.dequantize().view(-1, *kernel, x.shape[1]).movedim(-1, 1)
        ctx.save_for_backward(x.to(dtype), dense.to(dtype).contiguous())
        ctx.stride = stride
        return y.movedim(-1, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, dense = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        grad_x, grad_dense, _ = torch.ops.aten.convolution_backward(
            *(grads[0].to(x.dtype), x, dense, None, ctx.stride, [0, 0], [1, 1], False, [0, 0], 1, wanted)
        )
        return (
            grad_x.float() if wanted[0] else None,
            grad_dense.movedim(1, -1).flatten(1).float() if wanted[1] else None,
            *(None, None, None),
        )


def quantized_convolution(
    x: Tensor, weight: Tensor, bias: Tensor, kernel: Pair, stride: Pair, kind: WeightKind
) -> Tensor:
    """The "valid" convolution, bit for bit what the runtime's matrix product over gathered frames gives.

    Straight-through gradients; that of the weight is taken with `x` before its 8 bits, by torch's convolution.

    x: (batch, channels_in, time, freq) float32; weight: (channels, kernel_time x kernel_freq x channels_in), oldest frame
    first, channel fastest; bias: (channels). Returns (batch, channels, time_out, freq_out).
    """
    y: Tensor = _QuantizedConvolution.apply(x, weight, kernel, stride, kind)  # type: ignore[no-untyped-call]
    return y + bias[:, None, None]
