"""The quantizers and byte layouts of packed weights: the one definition that writers, torch reference and tests share.

Layouts are those of csrc/kernels/matrix.h and vector_ops.h, written out in docs/artifact_format.md. All functions are
pure numpy, vectorised and deterministic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]  # binary {-1, 1}, ternary {-1, 0, 1} or int8 [-127, 127]
Halves = npt.NDArray[np.float16]
Bytes = npt.NDArray[np.uint8]

PANEL_ROWS = 16  # outputs of one panel
Q1_BLOCK = 32  # inputs of one 64-byte block, 1 bit each
Q2_BLOCK = 16  # inputs of one 64-byte block, 2 bits each
Q8_BLOCK = 4  # inputs of one 64-byte block, 8 bits each
TERNARY_THRESHOLD = 0.7  # times mean |w|: TWN's threshold (Li et al. 2016)


def _matrix(weights: npt.ArrayLike) -> Floats:
    """Return `weights` as (rows, cols) float32; ValueError when it has another rank or a value that is not finite."""
    matrix = np.asarray(weights, dtype=np.float32)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"weights: wanted a non-empty matrix (rows, cols), got shape {tuple(np.shape(weights))}")
    if not np.isfinite(matrix).all():
        raise ValueError("weights: a value is NaN or infinite")
    return matrix


def _half_scales(scales: npt.NDArray[np.floating[Any]]) -> Halves:
    """Round scales to float16 by way of float32 (as torch does); ValueError when one overflows."""
    with np.errstate(over="ignore"):
        halves = scales.astype(np.float32).astype(np.float16)
    if not np.isfinite(halves).all():
        raise ValueError(f"weights: the scale {float(scales.max()):g} of a row does not fit in float16 (65504)")
    return halves


def quantize_ternary(weights: npt.ArrayLike) -> tuple[Codes, Halves]:
    """Ternarize each row by TWN: w ~= code * scale.

    threshold = 0.7 mean|w|; code = sign(w) where |w| > threshold, else 0; scale = mean(|w| : |w| > threshold), rounded
    to float16. Sums in float64, the threshold rounded to float32 for the comparison. A row of zeros gives scale 0.
    Quantizing the result again changes nothing.

    Args:
        weights: (rows, cols), finite.
    Returns:
        codes (rows, cols) in {-1, 0, 1}; scales (rows).
    """
    matrix = _matrix(weights)
    magnitude = np.abs(matrix)
    threshold = magnitude.sum(axis=1, keepdims=True, dtype=np.float64) * (TERNARY_THRESHOLD / matrix.shape[1])
    kept = magnitude > threshold.astype(np.float32)
    counts = kept.sum(axis=1)
    sums = (magnitude * kept).sum(axis=1, dtype=np.float64)
    scales = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    return (np.sign(matrix) * kept).astype(np.int8), _half_scales(scales)


def quantize_binary(weights: npt.ArrayLike) -> tuple[Codes, Halves]:
    """Binarize each row by BWN: w ~= code * scale, code -1 where w < 0, else 1, scale = mean|w| rounded to float16.

    The mean in float64. Args and returns as `quantize_ternary`, codes in {-1, 1}.
    """
    matrix = _matrix(weights)
    scales = np.abs(matrix).sum(axis=1, dtype=np.float64) / matrix.shape[1]
    return np.where(matrix < 0, -1, 1).astype(np.int8), _half_scales(scales)


def quantize_int8(weights: npt.ArrayLike) -> tuple[Codes, Halves]:
    """Quantize each row to 8 bits, symmetric: w ~= code * scale.

    scale = float16(float32(max|w|) / 127); code = clip(round_half_even(float32(w) / scale), +-127), the division in
    float32 by the rounded scale. A row whose scale rounds to 0 gives codes 0.

    Args:
        weights: (rows, cols), finite.
    Returns:
        codes (rows, cols) in [-127, 127]; scales (rows).
    """
    matrix = _matrix(weights)
    scales = _half_scales(np.abs(matrix).max(axis=1) / np.float32(127))
    wide = scales.astype(np.float32)[:, None]
    ratio = np.divide(matrix, wide, out=np.zeros_like(matrix), where=wide > 0)
    return np.clip(np.rint(ratio), -127, 127).astype(np.int8), scales


def dequantize(codes: Codes, scales: Halves) -> Floats:
    """Return codes (rows, cols) times scales (rows) as float32 (rows, cols), exactly."""
    return codes.astype(np.float32) * scales.astype(np.float32)[:, None]


def _padded(codes: Codes, row_multiple: int, col_multiple: int, value: int) -> Bytes:
    rows, cols = codes.shape
    return np.pad(codes.view(np.uint8), ((0, -rows % row_multiple), (0, -cols % col_multiple)), constant_values=value)


def _ternary_fields(codes: Codes) -> Codes:
    if codes.size and (codes.min() < -1 or codes.max() > 1):
        raise ValueError(f"ternary codes: wanted -1, 0 or 1, got {codes.min()} to {codes.max()}")
    fields: Codes = (codes + np.int8(1)).astype(np.int8)
    return fields


def pack_q2p16x4(codes: Codes) -> Bytes:
    """Pack ternary codes (rows, cols) as panels of 16 outputs x blocks of 16 inputs; returns 1-D bytes.

    Byte (o * 4 + j) of a block holds, for output o, input 4 f + j in bits (2 f, 2 f + 1).
    """
    fields = _padded(_ternary_fields(codes), PANEL_ROWS, Q2_BLOCK, 1)
    blocks = fields.reshape(fields.shape[0] // PANEL_ROWS, PANEL_ROWS, -1, 4, 4)  # (panel, o, block, f, j)
    packed = blocks[..., 0, :] | blocks[..., 1, :] << 2 | blocks[..., 2, :] << 4 | blocks[..., 3, :] << 6
    return np.ascontiguousarray(packed.transpose(0, 2, 1, 3)).reshape(-1)


def unpack_q2p16x4(data: Bytes, rows: int, cols: int) -> Codes:
    """Undo `pack_q2p16x4`: bytes to ternary codes (rows, cols)."""
    panels = -(-rows // PANEL_ROWS)
    packed = data.view(np.uint8).reshape(panels, -1, PANEL_ROWS, 4).transpose(0, 2, 1, 3)  # (panel, o, block, j)
    fields = np.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], axis=3)  # (panel, o, block, f, j)
    codes: Codes = fields.reshape(panels * PANEL_ROWS, -1)[:rows, :cols].astype(np.int8) - np.int8(1)
    return codes


def _binary_fields(codes: Codes) -> Codes:
    if codes.size and not (np.abs(codes) == 1).all():
        raise ValueError("binary codes: wanted -1 or 1")
    fields: Codes = (codes > 0).astype(np.int8)
    return fields


def pack_q1p16x8(codes: Codes) -> Bytes:
    """Pack binary codes (rows, cols) as panels of 16 outputs x blocks of 32 inputs, padded with 0; returns 1-D bytes.

    Byte (o * 4 + j) of a block holds, for output o, input 4 f + j in bit f, 1 for +1.
    """
    fields = _padded(_binary_fields(codes), PANEL_ROWS, Q1_BLOCK, 0)
    blocks = fields.reshape(fields.shape[0] // PANEL_ROWS, PANEL_ROWS, -1, 8, 4)  # (panel, o, block, f, j)
    packed = np.packbits(blocks, axis=3, bitorder="little")[..., 0, :]
    return np.ascontiguousarray(packed.transpose(0, 2, 1, 3)).reshape(-1)


def unpack_q1p16x8(data: Bytes, rows: int, cols: int) -> Codes:
    """Undo `pack_q1p16x8`: bytes to binary codes (rows, cols)."""
    panels = -(-rows // PANEL_ROWS)
    packed = data.view(np.uint8).reshape(panels, -1, PANEL_ROWS, 4).transpose(0, 2, 1, 3)  # (panel, o, block, j)
    fields = np.unpackbits(packed[..., None, :], axis=3, bitorder="little")  # (panel, o, block, f, j)
    codes: Codes = fields.reshape(panels * PANEL_ROWS, -1)[:rows, :cols].astype(np.int8) * np.int8(2) - np.int8(1)
    return codes


def pack_q1r(codes: Codes) -> Bytes:
    """Pack binary codes (rows, cols) row by row, ceil(cols / 8) bytes each, column c in bit c % 8 of byte c / 8."""
    return np.packbits(_binary_fields(codes).view(np.uint8), axis=1, bitorder="little").reshape(-1)


def unpack_q1r(data: Bytes, rows: int, cols: int) -> Codes:
    """Undo `pack_q1r`: bytes to binary codes (rows, cols)."""
    bits = np.unpackbits(data.view(np.uint8).reshape(rows, -1), axis=1, bitorder="little")[:, :cols]
    codes: Codes = bits.astype(np.int8) * np.int8(2) - np.int8(1)
    return codes


def pack_q8p16x4(codes: Codes) -> Bytes:
    """Pack int8 codes (rows, cols) as panels of 16 outputs x blocks of 4 inputs, padded with 0; returns 1-D bytes."""
    padded = _padded(codes, PANEL_ROWS, Q8_BLOCK, 0)
    blocks = padded.reshape(padded.shape[0] // PANEL_ROWS, PANEL_ROWS, -1, Q8_BLOCK)
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3)).reshape(-1)


def unpack_q8p16x4(data: Bytes, rows: int, cols: int) -> Codes:
    """Undo `pack_q8p16x4`: bytes to int8 codes (rows, cols)."""
    panels = -(-rows // PANEL_ROWS)
    blocks = data.view(np.int8).reshape(panels, -1, PANEL_ROWS, Q8_BLOCK).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocks.reshape(panels * PANEL_ROWS, -1)[:rows, :cols])


def pack_q2r(codes: Codes) -> Bytes:
    """Pack ternary codes (rows, cols) row by row, ceil(cols / 4) bytes each; unused fields hold 1 (weight 0)."""
    fields = _padded(_ternary_fields(codes), 1, 4, 1).reshape(codes.shape[0], -1, 4)
    packed = fields[..., 0] | fields[..., 1] << 2 | fields[..., 2] << 4 | fields[..., 3] << 6
    return np.ascontiguousarray(packed).reshape(-1)


def unpack_q2r(data: Bytes, rows: int, cols: int) -> Codes:
    """Undo `pack_q2r`: bytes to ternary codes (rows, cols)."""
    packed = data.view(np.uint8).reshape(rows, -1)
    fields = np.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], axis=2)
    codes: Codes = fields.reshape(rows, -1)[:, :cols].astype(np.int8) - np.int8(1)
    return codes


def pack_q8r(codes: Codes) -> Bytes:
    """Pack int8 codes (rows, cols) row by row; returns 1-D bytes."""
    return np.ascontiguousarray(codes).view(np.uint8).reshape(-1)


def unpack_q8r(data: Bytes, rows: int, cols: int) -> Codes:
    """Undo `pack_q8r`: bytes to int8 codes (rows, cols)."""
    return data.view(np.int8).reshape(rows, cols)
