"""Write a model as one GGUF v3 file: the artifact of docs/artifact_format.md. Same input, same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import google_crc32c
import numpy as np
import numpy.typing as npt
from gguf import GGUFValueType

from sottovoce.errors import InputOutputError, InvalidInputError
from sottovoce.export import packing
from sottovoce.export.provenance import Provenance

__all__ = ["Embedding", "Product", "Provenance", "Weights", "write_gguf"]

Weights = Literal["ternary", "int8", "binary", "split", "f32"]
Array = npt.NDArray[Any]

FORMAT_VERSION = 1
ALIGNMENT = 64  # bytes
HEADER_CHECKSUM = "sottovoce.header_crc32c"


@dataclass(frozen=True)
class Product:
    """One linear map: weight (outputs, inputs) float, optional bias (outputs), and how the weight is stored.

    `split` needs weight_2, the second binary half.
    """

    weight: Array
    bias: Array | None = None
    weights: Weights = "ternary"
    weight_2: Array | None = None


@dataclass(frozen=True)
class Embedding:
    """A look-up table: rows (entries, width) float, and how it is stored; `split` needs rows_2."""

    rows: Array
    weights: Weights = "ternary"
    rows_2: Array | None = None


def write_gguf(
    path: str | os.PathLike[str],
    architecture: str,
    metadata: Mapping[str, Any],
    parts: Mapping[str, Product | Embedding | Array],
    provenance: Provenance,
) -> int:
    """Write the artifact and return its size in bytes.

    The file appears under `path` only when it is whole: it is written beside it and renamed.

    Args:
        path: the file to make or replace; its directory exists.
        architecture: `general.architecture`.
        metadata: key to bool, int (stored as u32), float (f32), str, or a sequence of one of these. An empty sequence is
            not stored (GGUF cannot say its type); a reader takes an absent array as empty.
        parts: in file order, stem to Product, Embedding, float array (stored plain as F32), or 1-D int8 / uint8 bytes.
        provenance: name, licence, source, training, metrics.
    Raises:
        InvalidInputError: a name, shape or value cannot be stored; nothing is written.
        InputOutputError: the file system refused, for one a full disk; an older file at `path` is left as it was.
    """
    path = Path(path)
    tensors: dict[str, Array] = {}
    for stem, part in parts.items():
        for name, tensor in _stored(stem, part).items():
            if name in tensors:
                raise InvalidInputError(f"tensor {name}: given twice")
            tensors[name] = tensor
    digest = hashlib.sha256()
    checksums = []
    for name, tensor in tensors.items():
        data = tensor.tobytes()
        checksums.append(google_crc32c.value(data))
        digest.update(name.encode() + b"\0" + data)
    entries: dict[str, Any] = dict(provenance.metadata())
    entries["sottovoce.format_version"] = FORMAT_VERSION
    entries.update(metadata)
    entries["sottovoce.tensor_names"] = list(tensors)
    entries["sottovoce.tensor_crc32c"] = checksums
    entries["sottovoce.sha256"] = digest.hexdigest()
    entries[HEADER_CHECKSUM] = 0  # the last entry; its value is known once the header stands

    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    writer = gguf.GGUFWriter(temporary, architecture)
    writer.add_custom_alignment(ALIGNMENT)
    for key, value in entries.items():
        _add_metadata(writer, key, value)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    try:
        value_at, data_at = _write_out(writer)
        _write_header_checksum(temporary, value_at, data_at)
        os.replace(temporary, path)
    except OSError as error:
        wanted = sum(tensor.nbytes for tensor in tensors.values())
        raise InputOutputError(
            f"{path}: cannot write the artifact of {wanted:,} bytes: {_reason(path, error)}"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return path.stat().st_size


def _write_out(writer: gguf.GGUFWriter) -> tuple[int, int]:
    """Write the file; return where the value of the last metadata entry and where the tensor data begin, in bytes."""
    data_bytes = sum(-(-info.nbytes // ALIGNMENT) * ALIGNMENT for info in writer.tensors[0].values())
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        assert writer.fout is not None
        (file,) = writer.fout
        value_at = file.tell() - 4
        writer.write_tensors_to_file()
        return value_at, file.tell() - data_bytes
    finally:
        writer.close()


def _write_header_checksum(path: Path, value_at: int, data_at: int) -> None:
    """Put the CRC32C of everything before the tensor data, computed with its own four bytes zero, at `value_at`."""
    with path.open("r+b") as file:
        checksum = google_crc32c.value(file.read(data_at))
        file.seek(value_at)
        file.write(checksum.to_bytes(4, "little"))
        file.flush()
        os.fsync(file.fileno())


def _reason(path: Path, error: OSError) -> str:
    if not path.parent.is_dir():
        return f"no directory {path.parent}"
    text = error.strerror or str(error)
    return f"{text} ({shutil.disk_usage(path.parent).free:,} bytes are free there)"


def _stored(stem: str, part: Product | Embedding | Array) -> dict[str, Array]:
    """Return the tensors that `part` becomes in the file."""
    try:
        if isinstance(part, Product):
            return _stored_product(stem, part)
        if isinstance(part, Embedding):
            return _stored_embedding(stem, part)
        if part.dtype in (np.int8, np.uint8) and part.ndim == 1:
            return {stem: part.view(np.int8)}
        return {stem: _float_tensor(part)}
    except ValueError as error:
        raise InvalidInputError(f"tensor {stem}: {error}") from None


def _stored_product(stem: str, part: Product) -> dict[str, Array]:
    weight = np.asarray(part.weight)
    if weight.ndim != 2:
        raise ValueError(f"wanted a weight (outputs, inputs), got shape {weight.shape}")
    tensors: dict[str, Array]
    if part.weights == "f32":
        tensors = {f"{stem}.weight.f32": _float_tensor(weight)}
    elif part.weights == "int8":
        codes, scales = packing.quantize_int8(weight)
        tensors = {f"{stem}.weight.q8p16x4": packing.pack_q8p16x4(codes).view(np.int8), f"{stem}.weight.scale": scales}
    elif part.weights in ("binary", "split"):
        tensors = {}
        for name, half in _halves(f"{stem}.weight", weight, part.weight_2, part.weights).items():
            codes, scales = packing.quantize_binary(half)
            tensors |= {f"{name}.q1p16x8": packing.pack_q1p16x8(codes).view(np.int8), f"{name}.scale": scales}
    else:
        codes, scales = packing.quantize_ternary(weight)
        tensors = {f"{stem}.weight.q2p16x4": packing.pack_q2p16x4(codes).view(np.int8), f"{stem}.weight.scale": scales}
    if part.bias is not None:
        if part.bias.shape != (weight.shape[0],):
            raise ValueError(f"wanted a bias of shape ({weight.shape[0]},), got {part.bias.shape}")
        tensors[f"{stem}.bias"] = _float_tensor(part.bias)
    return tensors


def _stored_embedding(stem: str, part: Embedding) -> dict[str, Array]:
    rows = np.asarray(part.rows)
    if part.weights == "f32":
        return {f"{stem}.f32": _float_tensor(rows)}
    if part.weights == "int8":
        codes, scales = packing.quantize_int8(rows)
        return {f"{stem}.q8r": packing.pack_q8r(codes).view(np.int8), f"{stem}.scale": scales}
    if part.weights in ("binary", "split"):
        tensors: dict[str, Array] = {}
        for name, half in _halves(stem, rows, part.rows_2, part.weights).items():
            codes, scales = packing.quantize_binary(half)
            tensors |= {f"{name}.q1r": packing.pack_q1r(codes).view(np.int8), f"{name}.scale": scales}
        return tensors
    codes, scales = packing.quantize_ternary(rows)
    return {f"{stem}.q2r": packing.pack_q2r(codes).view(np.int8), f"{stem}.scale": scales}


def _halves(name: str, first: Array, second: Array | None, weights: Weights) -> dict[str, Array]:
    """Return the binary matrices of a weight by their names: one, or two for `split`."""
    if weights == "binary":
        return {name: first}
    if second is None or second.shape != first.shape:
        raise ValueError(f"split weights: wanted a second half of shape {first.shape}")
    return {name: first, f"{name}_2": second}


def _float_tensor(values: Array) -> Array:
    tensor = np.ascontiguousarray(values, dtype=np.float32)
    if tensor.size == 0 or tensor.ndim == 0:
        raise ValueError(f"wanted a non-empty tensor, got shape {tensor.shape}")
    if not np.isfinite(tensor).all():
        raise ValueError("a value is NaN or infinite")
    return tensor


_SCALARS: dict[type, GGUFValueType] = {
    bool: GGUFValueType.BOOL,
    int: GGUFValueType.UINT32,
    float: GGUFValueType.FLOAT32,
    str: GGUFValueType.STRING,
}


def _add_metadata(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if type(value) in _SCALARS:
        _check_scalar(key, value)
        writer.add_key_value(key, value, _SCALARS[type(value)])
        return
    if not isinstance(value, (list, tuple)) or len({type(item) for item in value}) > 1:
        raise InvalidInputError(f"metadata {key}: wanted bool, int, float, str or a list of one of them, got {value!r}")
    if not value:
        return
    if type(value[0]) not in _SCALARS:
        raise InvalidInputError(f"metadata {key}: cannot store items of type {type(value[0]).__name__}")
    for item in value:
        _check_scalar(key, item)
    writer.add_key_value(key, list(value), GGUFValueType.ARRAY, sub_type=_SCALARS[type(value[0])])


def _check_scalar(key: str, value: Any) -> None:
    if type(value) is int and not 0 <= value < 2**32:
        raise InvalidInputError(f"metadata {key}: wanted 0 to 4294967295, got {value}")
    if type(value) is float and not np.isfinite(np.float32(value)):
        raise InvalidInputError(f"metadata {key}: wanted a finite number, got {value}")
