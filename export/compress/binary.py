"""One-bit weights (BinaryBERT, Bai et al. 2021): BWN of each row, and the split of a ternary row into two binary ones.

BWN: w ~= alpha sign(w), alpha = mean|w| (Rastegari et al. 2016, XNOR-Net, equation 6). sign(0) is +1: a bit has no third code.
Ternary weight splitting (section 3.2, equations 6 and 7): latent rows with w1 + w2 = w and BWN(w1) + BWN(w2) = TWN(w), so a
network of twice as many binary products starts exactly where the ternary one ended.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sottovoce.export.compress.quantized_rows import QuantizedRows
from sottovoce.export.compress.ternary import ternary_codes


def binary_codes(weight: Tensor) -> tuple[Tensor, Tensor]:
    """BWN of each row of `weight` (rows, cols): codes in {-1, 1} and alpha (rows) not yet in half precision, both float32."""
    weight = weight.detach()
    codes = torch.where(weight < 0, -1.0, 1.0)
    return codes, (weight.abs().sum(-1, dtype=torch.float64) / weight.shape[-1]).float()


def binarize_rows(weight: Tensor) -> QuantizedRows:
    """`binary_codes` as the artifact stores them."""
    codes, alpha = binary_codes(weight)
    return QuantizedRows(codes.to(torch.int8), alpha.to(torch.float16))


def split_ternary(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return two latent weights (rows, cols), float32, whose binary rows add up to the ternary rows of `weight`.

    Non-zero codes share their weight, a : 1 - a; zero codes get +b and -b, so that the two halves disagree there.
    """
    codes, alpha = ternary_codes(weight)
    w, zero = weight.detach().double(), codes == 0
    kept = (w.abs() * ~zero).sum(-1, keepdim=True)
    total, zeros = w.abs().sum(-1, keepdim=True), zero.sum(-1, keepdim=True)
    b = (w.shape[-1] * alpha.double().unsqueeze(-1) - total) / (2 * zeros).clamp_min(1)
    positive = w > 0
    # At the zero codes one half takes the weight and b beyond it, the other only b, with the other sign.
    first = torch.where(positive, w + b, b.expand_as(w))
    second = torch.where(positive, -b.expand_as(w), w - b)
    balance = ((second.abs() - first.abs()) * zero).sum(-1, keepdim=True)
    a = torch.where(kept > 0, (kept + balance) / (2 * kept).clamp_min(1e-30), torch.full_like(kept, 0.5))
    return torch.where(zero, first, a * w).float(), torch.where(zero, second, (1 - a) * w).float()
