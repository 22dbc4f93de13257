"""The papers' weight quantizers, one scale a tensor or a row, as the public code evaluates them.

Each returns float32 weights that hold only alpha times a code. Quantizing those again row by row, as the writer does, gives
the same codes and the same alpha in every row (TWN and BWN are idempotent), so a tensor's scale needs no layout of its own.
Sums in float64; an all-zero row or tensor gives zeros where the public code gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sottovoce.export.packing import TERNARY_THRESHOLD
from sottovoce.export.spec import Array

Quantizer = Callable[[Array, bool], Array]  # (weight (rows, cols), per tensor) -> weight


def _mean(magnitude: Array, kept: Array, per_tensor: bool) -> Array:
    """Mean of the kept magnitudes, () or (rows, 1), float64; 0 where none is kept."""
    axis = None if per_tensor else 1
    total = np.sum(magnitude, axis=axis, where=kept, keepdims=True, dtype=np.float64)
    count = np.sum(kept, axis=axis, keepdims=True)
    return np.asarray(total / np.maximum(count, 1))


def ternary(weight: Array, per_tensor: bool) -> Array:
    """TWN: alpha sign(w) where |w| > 0.7 mean|w|, alpha the mean of those |w| (TernaryBERT, BinaryBERT's first stage)."""
    magnitude = np.abs(weight)
    threshold = TERNARY_THRESHOLD * _mean(magnitude, np.ones_like(weight, dtype=bool), per_tensor)
    kept = magnitude > threshold.astype(np.float32)
    return (np.sign(weight) * kept * _mean(magnitude, kept, per_tensor)).astype(np.float32)


def binary(weight: Array, per_tensor: bool) -> Array:
    """BWN: alpha sign(w), alpha = mean|w|. The public code leaves an exact 0 at 0; a bit cannot, so it counts as +1."""
    alpha = _mean(np.abs(weight), np.ones_like(weight, dtype=bool), per_tensor)
    return (np.where(weight < 0, -1, 1) * alpha).astype(np.float32)


def least_squares(weight: Array, per_tensor: bool) -> Array:
    """BinaryBERT's `laq` at 2 bits: ten alternating least-squares steps of alpha and codes, every weight worth the same."""
    magnitude = np.abs(weight).astype(np.float64)
    axis = None if per_tensor else 1
    codes = np.sign(weight).astype(np.float64)
    for _ in range(11):
        count = np.abs(codes).sum(axis=axis, keepdims=True)
        alpha = np.sum(magnitude * np.abs(codes), axis=axis, keepdims=True) / np.maximum(count, 1)
        codes = np.rint(np.clip(weight / np.where(alpha > 0, alpha, 1), -1, 1))
    return np.asarray(alpha * codes, dtype=np.float32)


def int8(weight: Array, per_tensor: bool) -> Array:
    """Symmetric 8 bits: round(w 127 / m) m / 127, m = max|w| (TernaryBERT with weight_bits 8)."""
    peak = np.abs(weight).max(axis=None if per_tensor else 1, keepdims=True).astype(np.float64)
    scale = np.where(peak > 0, peak, 1) / 127
    return np.asarray(np.rint(weight / scale) * scale, dtype=np.float32)
