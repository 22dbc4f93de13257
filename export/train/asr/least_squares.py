"""Ridge regression: the product that gives one set of activations from another."""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 1e-3  # of the mean square of an input


def ridge(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight (outputs, inputs) and bias of the least squares of y (..., outputs) on x (..., inputs)."""
    a, b = x.flatten(0, -2), y.flatten(0, -2)
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = a - mean_a, b - mean_b
    gram = (a.T @ a).double()
    gram += torch.eye(len(gram)) * (RIDGE * gram.diagonal().mean())
    weight = torch.linalg.solve(gram, (a.T @ b).double()).T.float()
    return weight, mean_b - weight @ mean_a
