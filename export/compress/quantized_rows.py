"""Integer codes with a scale a row: what every packed weight is."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

# `split`: two binary matrices whose products are added (BinaryBERT); the others are one matrix. `ternary_values`, in training
# only: rows of a scale times {-1, 0, 1} already, so that their codes are read off and not computed again.
WeightKind = Literal["f32", "int8", "ternary", "binary", "split", "ternary_values"]


class QuantizedRows(NamedTuple):
    """Integer codes (rows, cols) as int8 and one float16 scale a row: weight ~= codes * scale[:, None]."""

    codes: Tensor
    scale: Tensor

    def dequantize(self) -> Tensor:
        """The float32 weight (rows, cols) that the runtime computes with."""
        return self.codes.float() * self.scale.float().unsqueeze(-1)
