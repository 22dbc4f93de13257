"""Weight packing against naive loops, and the GGUF writer: layout, determinism, checksums, failures."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import gguf
import google_crc32c
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sottovoce.errors import InputOutputError, InvalidInputError
from sottovoce.export import packing
from sottovoce.export.compress import ternary
from sottovoce.export.provenance import Provenance
from sottovoce.export.writers.gguf import Embedding, Product, write_gguf

shapes = st.tuples(st.integers(1, 40), st.integers(1, 70))


def codes_of(shape: tuple[int, int], low: int, high: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(np.int8)


@given(shapes, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_q2p16x4_is_the_layout_of_matrix_h(shape: tuple[int, int], seed: int) -> None:
    codes = codes_of(shape, -1, 1, seed)
    rows, cols = shape
    panels, blocks = -(-rows // 16), -(-cols // 16)
    expected = np.zeros((panels, blocks, 64), np.uint8)
    for output in range(panels * 16):
        for column in range(blocks * 16):
            code = codes[output, column] + 1 if output < rows and column < cols else 1
            field, lane = column % 16 // 4, column % 4
            expected[output // 16, column // 16, output % 16 * 4 + lane] |= code << (2 * field)
    packed = packing.pack_q2p16x4(codes)
    assert packed.tobytes() == expected.tobytes()
    assert (packing.unpack_q2p16x4(packed, rows, cols) == codes).all()


@given(shapes, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_q8p16x4_is_the_layout_of_matrix_h(shape: tuple[int, int], seed: int) -> None:
    codes = codes_of(shape, -127, 127, seed)
    rows, cols = shape
    expected = np.zeros((-(-rows // 16), -(-cols // 4), 64), np.int8)
    for output in range(rows):
        for column in range(cols):
            expected[output // 16, column // 4, output % 16 * 4 + column % 4] = codes[output, column]
    packed = packing.pack_q8p16x4(codes)
    assert packed.tobytes() == expected.tobytes()
    assert (packing.unpack_q8p16x4(packed, rows, cols) == codes).all()


@given(shapes, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_embedding_rows(shape: tuple[int, int], seed: int) -> None:
    codes = codes_of(shape, -1, 1, seed)
    rows, cols = shape
    packed = packing.pack_q2r(codes).reshape(rows, -(-cols // 4))
    for row in range(rows):
        for column in range(packed.shape[1] * 4):
            expected = codes[row, column] + 1 if column < cols else 1
            assert packed[row, column // 4] >> 2 * (column % 4) & 3 == expected
    assert (packing.unpack_q2r(packed, rows, cols) == codes).all()
    wide = codes_of(shape, -127, 127, seed)
    assert packing.pack_q8r(wide).tobytes() == wide.tobytes()
    assert (packing.unpack_q8r(packing.pack_q8r(wide), rows, cols) == wide).all()


def test_ternary_by_hand() -> None:
    weights = np.array([[1.0, -1.0, 0.1, 0.0], [0.0, 0.0, 0.0, 0.0], [3.0, 0.5, 0.5, -2.0]], np.float32)
    codes, scales = packing.quantize_ternary(weights)
    # Row 0: mean .525, threshold .3675; row 2: mean 1.5, threshold 1.05.
    assert codes.tolist() == [[1, -1, 0, 0], [0, 0, 0, 0], [1, 0, 0, -1]]
    assert scales.tolist() == [1.0, 0.0, 2.5]
    assert scales.dtype == np.float16


def test_int8_by_hand() -> None:
    codes, scales = packing.quantize_int8(np.array([[127.0, -63.5, 2.5, 3.5], [0.0, 0.0, 0.0, 0.0]]))
    assert codes.tolist() == [[127, -64, 2, 4], [0, 0, 0, 0]]  # ties go to even
    assert scales.tolist() == [1.0, 0.0]


# Subnormal weights have the scale 0 in float16; torch may flush them.
floats = st.floats(-8, 8, width=32, allow_subnormal=False)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 40)), elements=floats))
@settings(max_examples=150, deadline=None)
def test_quantizers_agree_with_torch(weights: np.ndarray) -> None:
    for quantize, reference in (
        (packing.quantize_ternary, ternary.ternarize_rows),
        (packing.quantize_int8, ternary.quantize_rows_int8),
    ):
        codes, scales = quantize(weights)
        expected = reference(torch.from_numpy(weights))
        assert (codes == expected.codes.numpy()).all()
        assert scales.tobytes() == expected.scale.numpy().tobytes()
        assert (packing.dequantize(codes, scales) == expected.dequantize().numpy()).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_ternarizing_twice_changes_nothing(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(7, 33)).astype(np.float32)
    once = packing.dequantize(*packing.quantize_ternary(weights))
    assert (packing.dequantize(*packing.quantize_ternary(once)) == once).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), "matrix"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((1, 2), 1e9), "float16"),
    ],
)
def test_quantizers_refuse(weights: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        packing.quantize_ternary(weights)


PROVENANCE = Provenance("test", training={"b": 1, "a": [2]}, metrics={"f1": 0.5})


def parts() -> dict[str, Product | Embedding | np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "up": Product(rng.normal(size=(20, 33)), rng.normal(size=20)),
        "down": Product(rng.normal(size=(33, 20)), None, "int8"),
        "head": Product(rng.normal(size=(3, 20)), rng.normal(size=3), "f32"),
        "word": Embedding(rng.normal(size=(50, 18))),
        "position": Embedding(rng.normal(size=(9, 18)), "int8"),
        "token_type": Embedding(rng.normal(size=(2, 18)), "f32"),
        "norm.weight": np.ones(18),
        "vocab": np.frombuffer("[PAD]\né".encode(), np.uint8),
    }


def test_file_holds_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    metadata = {"m.count": 3, "m.rate": 0.25, "m.on": True, "m.labels": ["x", "é"], "m.sizes": [1, 2], "m.none": []}
    size = write_gguf(path, "bert-intent-slot", metadata, parts(), PROVENANCE)
    assert size == path.stat().st_size
    reader = gguf.GGUFReader(path)
    values = {name: field.contents() for name, field in reader.fields.items()}
    assert values["general.architecture"] == "bert-intent-slot"
    assert values["general.alignment"] == 64
    assert values["sottovoce.format_version"] == 1
    assert values["sottovoce.training"] == '{"a": [2], "b": 1}'
    assert {key: value for key, value in values.items() if key.startswith("m.")} == {
        key: value for key, value in metadata.items() if value != []
    }
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert list(tensors) == values["sottovoce.tensor_names"]
    assert list(tensors)[:3] == ["up.weight.q2p16x4", "up.weight.scale", "up.bias"]
    assert "down.bias" not in tensors
    digest = hashlib.sha256()
    for tensor, checksum in zip(reader.tensors, values["sottovoce.tensor_crc32c"], strict=True):
        data = tensor.data.tobytes()
        assert tensor.data_offset % 64 == 0
        assert google_crc32c.value(data) == checksum, tensor.name
        digest.update(tensor.name.encode() + b"\0" + data)
    assert digest.hexdigest() == values["sottovoce.sha256"]
    header = bytearray(path.read_bytes()[: reader.data_offset])
    field = reader.fields["sottovoce.header_crc32c"]
    place = field.offset + sum(part.nbytes for part in field.parts[:-1])
    header[place : place + 4] = bytes(4)
    assert google_crc32c.value(bytes(header)) == values["sottovoce.header_crc32c"]
    given_parts = parts()
    codes, scales = packing.quantize_ternary(given_parts["up"].weight)
    assert (packing.unpack_q2p16x4(tensors["up.weight.q2p16x4"].data, 20, 33) == codes).all()
    assert (tensors["up.weight.scale"].data == scales).all()
    assert (
        packing.unpack_q2r(tensors["word.q2r"].data, 50, 18) == packing.quantize_ternary(given_parts["word"].rows)[0]
    ).all()
    assert np.array_equal(tensors["head.weight.f32"].data, given_parts["head"].weight.astype(np.float32))
    assert tensors["head.weight.f32"].shape.tolist() == [20, 3]  # GGUF counts dimensions from the innermost
    assert tensors["vocab"].data.tobytes().decode() == "[PAD]\né"


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_gguf(tmp_path / name, "x", {"k": 1}, parts(), PROVENANCE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def refused(tmp_path: Path, message: str, metadata: dict, some_parts: dict) -> None:
    with pytest.raises(InvalidInputError, match=message):
        write_gguf(tmp_path / "a", "x", metadata, some_parts, PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_refuses_what_cannot_be_stored(tmp_path: Path) -> None:
    good = {"n": np.ones(2)}
    refused(tmp_path, "metadata k", {"k": -1}, good)
    refused(tmp_path, "metadata k", {"k": 2**32}, good)
    refused(tmp_path, "metadata k", {"k": float("inf")}, good)
    refused(tmp_path, "metadata k", {"k": {"a": 1}}, good)
    refused(tmp_path, "metadata k", {"k": ["a", 1]}, good)
    refused(tmp_path, "tensor n: a value is NaN", {}, {"n": np.array([np.nan])})
    refused(
        tmp_path,
        r"tensor p: wanted a bias of shape \(4,\), got \(3,\)",
        {},
        {"p": Product(np.ones((4, 2)), np.ones(3))},
    )
    refused(tmp_path, r"tensor p: wanted a weight", {}, {"p": Product(np.ones(4))})
    refused(tmp_path, "tensor n.scale: given twice", {}, {"n": Embedding(np.ones((1, 2))), "n.scale": np.ones(2)})


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # a file may not grow past this, as on a full disk
    try:
        with pytest.raises(InputOutputError, match=r"a\.gguf: cannot write the artifact of 400,000 bytes"):
            write_gguf(path, "x", {}, {"n": np.ones(100_000)}, PROVENANCE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.gguf"]


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match="no directory"):
        write_gguf(tmp_path / "no" / "a.gguf", "x", {}, {"n": np.ones(2)}, PROVENANCE)
