"""Loss-aware ternarization (LAT): codes and scale that cost the loss least, not those nearest to the weight.

Hou and Kwok 2018 ("Loss-aware weight quantization of deep networks", section 3) as TernaryBERT uses it (Zhang et al. 2020,
section 3.1.2): minimize sum d (w - alpha b)^2 over alpha > 0 and b in {-1, 0, 1}, d the diagonal of an approximate Hessian.
d is the root of Adam's second moment, corrected for its start at zero, as in the papers; TWN is the case d = 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from sottovoce.export.compress.ternary import ternary_codes

ITERATIONS = 10  # of the alternation; it stands still after a few


def loss_aware_codes(weight: Tensor, curvature: Tensor, iterations: int = ITERATIONS) -> tuple[Tensor, Tensor]:
    """Codes in {-1, 0, 1} and alpha (rows), not yet in half precision, of each row of `weight` (rows, cols), both float32.

    curvature: (rows, cols), not negative; a row without any counts as 1 throughout. From alpha = sum d |w| / sum d, in turn the
    best codes for the scale, |w| > alpha / 2, and the best scale for the codes, sum d |w b| / sum d |b|: the error never grows.
    """
    weight, curvature = weight.detach(), curvature.detach()
    curvature = torch.where(curvature.amax(-1, keepdim=True) > 0, curvature, torch.ones_like(curvature))
    magnitude = weight.abs()
    weighted = curvature * magnitude
    alpha = weighted.sum(-1) / curvature.sum(-1)
    for _ in range(iterations):
        kept = (magnitude > 0.5 * alpha.unsqueeze(-1)).to(weight.dtype)
        share = torch.linalg.vecdot(kept, curvature)
        # A row may have weight only where the curvature is zero: it keeps the scale it has.
        alpha = torch.where(share > 0, torch.linalg.vecdot(kept, weighted) / share.clamp_min(1e-30), alpha)
    return kept.copysign_(weight), alpha


def adam_curvature(state: dict[str, Any], beta: float) -> Tensor | None:
    """The root of the second moment in an Adam `state` of one parameter; None before the first step."""
    moment, step = state.get("exp_avg_sq"), float(state.get("step", 0))
    if moment is None or step == 0:
        return None
    root: Tensor = (moment / (1.0 - beta**step)).sqrt_()
    return root


class _LossAware(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, curvature: Tensor | None) -> Tensor:
        codes, alpha = ternary_codes(weight) if curvature is None else loss_aware_codes(weight, curvature)
        return codes * alpha.half().float().unsqueeze(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0], None


def loss_aware_rows(weight: Tensor, curvature: Tensor | None) -> Tensor:
    """Ternary values of `weight` (rows, cols) as the runtime multiplies with them; the gradient passes straight through.

    TWN of the result is the result: whoever packs it needs no curvature.
    """
    values: Tensor = _LossAware.apply(weight, curvature)  # type: ignore[no-untyped-call]
    return values
