"""Integer codes with a scale a row: what every packed weight is."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

# `split`: two binary matrices whose products are added (BinaryBERT); the others are one matrix.
WeightKind = Literal["f32", "int8", "ternary", "binary", "split"]


class QuantizedRows(NamedTuple):
    """Integer codes (rows, cols) as int8 and one float16 scale a row: weight ~= codes * scale[:, None]."""

    codes: Tensor
    scale: Tensor

    def dequantize(self) -> Tensor:
        """The float32 weight (rows, cols) that the runtime computes with."""
        return self.codes.float() * self.scale.float().unsqueeze(-1)
