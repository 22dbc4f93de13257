"""Ternary and int8 weights, quantized row by row: the one definition that training and the reference share.

Ternary is TWN (Li and Liu, "Ternary Weight Networks", 2016) applied to every output row: delta = 0.7 mean|w|,
alpha = mean of |w| above delta, codes in {-1, 0, 1}. Scales are rounded to float16 because the artifact stores them so.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sottovoce.export.compress.quantized_rows import QuantizedRows

TERNARY_THRESHOLD = 0.7  # Delta = 0.7 E|w| is the least-squares threshold for Gaussian weights (TWN, equation 6).


def ternary_codes(weight: Tensor) -> tuple[Tensor, Tensor]:
    """TWN of each row of `weight` (rows, cols): codes in {-1, 0, 1} and the alpha (rows) not yet in half precision, both float32.

    Sums in float64 and the threshold rounded once, exactly as `packing.quantize_ternary` does: a weight at the threshold
    must get the same code in both. An all-zero row gives zeros, not NaN.
    """
    weight = weight.detach()
    magnitude = weight.abs()
    delta = magnitude.sum(-1, keepdim=True, dtype=torch.float64) * (TERNARY_THRESHOLD / weight.shape[-1])
    codes = torch.gt(magnitude, delta.float(), out=torch.empty_like(weight)).copysign_(weight)
    count = torch.linalg.vecdot(codes, codes).clamp_min_(1)
    return codes, ((codes * weight).sum(-1, dtype=torch.float64) / count).float()


def ternarize_rows(weight: Tensor) -> QuantizedRows:
    """`ternary_codes` as the artifact stores them."""
    codes, alpha = ternary_codes(weight)
    return QuantizedRows(codes.to(torch.int8), alpha.to(torch.float16))


def quantize_rows_int8(weight: Tensor) -> QuantizedRows:
    """Symmetric int8 of each row of `weight` (rows, cols): scale = half(max|w| / 127), codes in [-127, 127]."""
    scale = (weight.detach().abs().amax(-1) / 127).to(torch.float16)
    divisor = torch.where(scale == 0, torch.ones_like(scale), scale).float().unsqueeze(-1)
    codes = (weight.detach() / divisor).round().clamp(-127, 127)
    codes = torch.where(scale.unsqueeze(-1) == 0, torch.zeros_like(codes), codes)
    return QuantizedRows(codes.to(torch.int8), scale)
