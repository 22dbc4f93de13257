"""Artifacts that are wrong in one way each, made byte by byte with a GGUF writer that does not mind.

    python tests/python/broken_artifacts.py tests/golden/broken

writes the committed folder: `good.gguf`, the broken files, and `expected.tsv` with one line a file: name, the step
that must fail (`open` or `verify`), the status, and a part of the message. The C++ and the Python tests read the same
folder, and the fuzzer starts from it.
"""

from __future__ import annotations

import hashlib
import io
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
TENSOR_F32, TENSOR_F16, TENSOR_I8 = 0, 1, 24
HEADER_CHECKSUM = b"sottovoce.header_crc32c"
_FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """Return the CRC32C (Castagnoli) of `data`."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def pack_string(text: bytes) -> bytes:
    """Return a GGUF string: 64-bit length, bytes."""
    return struct.pack("<Q", len(text)) + text


def pack(kind: int, value: object) -> bytes:
    """Return one GGUF scalar."""
    if kind == STRING:
        assert isinstance(value, bytes)
        return pack_string(value)
    return struct.pack("<" + _FORMATS[kind], value)


def pack_array(kind: int, values: list[object]) -> bytes:
    """Return the value of a GGUF array entry."""
    return struct.pack("<IQ", kind, len(values)) + b"".join(pack(kind, value) for value in values)


@dataclass
class Entry:
    """A metadata entry as it will stand in the file."""

    key: bytes
    kind: int
    payload: bytes


@dataclass
class Tensor:
    """A tensor; `dims` innermost first, as GGUF stores them. `offset` None: right behind the one before."""

    name: bytes
    kind: int
    dims: list[int]
    data: bytes
    offset: int | None = None


@dataclass
class Draft:
    """Everything a file is made of. None means: what is right."""

    entries: list[Entry]
    tensors: list[Tensor]
    magic: bytes = b"GGUF"
    version: int = 3
    num_tensors: int | None = None
    num_entries: int | None = None
    list_padding: bytes = b"\0"
    tensor_padding: bytes = b"\0"
    trailing: bytes = b""
    seals: bool = True  # fill in names, checksums and digest
    header_checksum: int | None = None
    sections: dict[str, int] = field(default_factory=dict)  # name -> first byte; filled in by build()

    def entry(self, key: bytes) -> Entry:
        """Return the entry of that key."""
        return next(entry for entry in self.entries if entry.key == key)

    def drop(self, key: bytes) -> None:
        """Remove the entry of that key."""
        self.entries = [entry for entry in self.entries if entry.key != key]

    def put(self, key: bytes, kind: int, payload: bytes) -> None:
        """Change the entry of that key, or add one in front."""
        for entry in self.entries:
            if entry.key == key:
                entry.kind, entry.payload = kind, payload
                return
        self.entries.insert(0, Entry(key, kind, payload))


def _pad(size: int, fill: bytes) -> bytes:
    return fill * (-size % 64)


def seal(draft: Draft) -> None:
    """Fill in the entries that depend on the tensors, where the draft still has them."""
    names: list[object] = [tensor.name for tensor in draft.tensors]
    sums: list[object] = [crc32c(tensor.data) for tensor in draft.tensors]
    digest = hashlib.sha256(b"".join(tensor.name + b"\0" + tensor.data for tensor in draft.tensors))
    draft.put(b"sottovoce.tensor_names", ARRAY, pack_array(STRING, names))
    draft.put(b"sottovoce.tensor_crc32c", ARRAY, pack_array(U32, sums))
    draft.put(b"sottovoce.sha256", STRING, pack_string(digest.hexdigest().encode()))


def build(draft: Draft) -> bytes:
    """Return the file, and leave the places of its sections in `draft.sections`."""
    if draft.seals:
        seal(draft)
    places = draft.sections
    num_tensors = len(draft.tensors) if draft.num_tensors is None else draft.num_tensors
    num_entries = len(draft.entries) if draft.num_entries is None else draft.num_entries
    header = bytearray(draft.magic + struct.pack("<IQQ", draft.version, num_tensors, num_entries))
    checksum_at = None
    for entry in draft.entries:
        places[f"entry {entry.key!r}"] = len(header)
        header += pack_string(entry.key) + struct.pack("<I", entry.kind)
        if entry.key == HEADER_CHECKSUM:
            checksum_at = len(header)
        header += entry.payload
    places["tensors"] = len(header)
    offset = 0
    for tensor in draft.tensors:
        header += pack_string(tensor.name) + struct.pack("<I", len(tensor.dims))
        header += b"".join(struct.pack("<Q", size) for size in tensor.dims)
        header += struct.pack("<IQ", tensor.kind, offset if tensor.offset is None else tensor.offset)
        offset += len(tensor.data) + len(_pad(len(tensor.data), b"\0"))
    places["list padding"] = len(header)
    header += _pad(len(header), draft.list_padding)
    places["data"] = len(header)
    if checksum_at is not None:
        value = crc32c(bytes(header)) if draft.header_checksum is None else draft.header_checksum
        header[checksum_at : checksum_at + 4] = struct.pack("<I", value)
    body = bytearray()
    for tensor in draft.tensors:
        places[f"tensor {tensor.name!r}"] = len(header) + len(body)
        body += tensor.data + _pad(len(tensor.data), draft.tensor_padding)
    places["end"] = len(header) + len(body)
    return bytes(header + body) + draft.trailing


def good() -> Draft:
    """Return a small valid artifact with every metadata type and every tensor type."""
    entries = [
        Entry(b"general.architecture", STRING, pack_string(b"test-model")),
        Entry(b"general.alignment", U32, pack(U32, 64)),
        Entry(b"general.name", STRING, pack_string("caffè".encode())),
        Entry(b"sottovoce.format_version", U32, pack(U32, 1)),
        Entry(b"test.u8", U8, pack(U8, 200)),
        Entry(b"test.i8", I8, pack(I8, -100)),
        Entry(b"test.u16", U16, pack(U16, 60000)),
        Entry(b"test.i16", I16, pack(I16, -30000)),
        Entry(b"test.u32", U32, pack(U32, 4000000000)),
        Entry(b"test.i32", I32, pack(I32, -2000000000)),
        Entry(b"test.f32", F32, pack(F32, 0.25)),
        Entry(b"test.bool", BOOL, pack(BOOL, 1)),
        Entry(b"test.u64", U64, pack(U64, 2**63 + 5)),
        Entry(b"test.i64", I64, pack(I64, -(2**62))),
        Entry(b"test.f64", F64, pack(F64, -1.5)),
        Entry(b"test.labels", ARRAY, pack_array(STRING, [b"O", "B-città".encode(), b""])),
        Entry(b"test.sizes", ARRAY, pack_array(U32, [1, 2, 3])),
        Entry(b"test.signed", ARRAY, pack_array(I16, [-1, 2])),
        Entry(b"test.rates", ARRAY, pack_array(F32, [0.5, -2.0])),
    ]
    tensors = [
        Tensor(b"weight", TENSOR_F32, [3, 2], struct.pack("<6f", 0, 1, 2, 3, 4, 5)),
        Tensor(b"scale", TENSOR_F16, [4], struct.pack("<4e", 1, 0.5, 0.25, -2)),
        Tensor(b"packed.q2r", TENSOR_I8, [70], bytes(range(1, 71))),
    ]
    draft = Draft(entries, tensors)
    seal(draft)
    # In the order of the real writer: what depends on the tensors stands last, the header's checksum at the very end.
    for key in (b"sottovoce.tensor_names", b"sottovoce.tensor_crc32c", b"sottovoce.sha256"):
        entry = draft.entry(key)
        draft.drop(key)
        draft.entries.append(entry)
    draft.entries.append(Entry(HEADER_CHECKSUM, U32, pack(U32, 0)))
    return draft


class Broken(NamedTuple):
    """One broken file and what must be said about it."""

    name: str
    data: bytes
    step: str  # "open" or "verify"
    status: str  # "DataLoss" or "Unsupported"
    message: str  # a part of it


def _cuts() -> Iterator[Broken]:
    draft = good()
    data = build(draft)
    places = draft.sections

    def cut(name: str, size: int, message: str = "truncated") -> Broken:
        return Broken(f"cut_{name}", data[:size], "open", "DataLoss", message)

    yield cut("empty", 0, "is empty")
    yield cut("one_byte", 1)
    yield cut("after_magic", 4)
    yield cut("after_version", 8)
    yield cut("in_header", 20)
    yield cut("after_header", 24)
    yield cut("in_key", places["entry b'general.name'"] + 12)
    yield cut("in_value", places["entry b'test.u64'"] + 8 + len("test.u64") + 4 + 3)
    yield cut("in_array", places["entry b'test.labels'"] + 45)
    yield cut("after_metadata", places["tensors"])
    yield cut("in_tensor_list", places["tensors"] + 30)
    yield cut("after_tensor_list", places["list padding"])
    yield cut("before_data", places["data"])
    yield cut("in_first_tensor", places["data"] + 10)
    yield cut("between_tensors", places["tensor b'scale'"])
    yield cut("in_last_tensor", places["tensor b'packed.q2r'"] + 69)
    yield cut("in_last_padding", places["end"] - 1)


def _foreign() -> Iterator[Broken]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("model.txt"), "weights")
    message = "not a GGUF file"
    yield Broken("foreign_zip", archive.getvalue(), "open", "DataLoss", message)
    yield Broken("foreign_text", b"This is not the file you are looking for.\n" * 4, "open", "DataLoss", message)
    yield Broken("foreign_zeros", bytes(4096), "open", "DataLoss", message)
    data = bytearray(build(good()))
    for version, name in ((1, "v1"), (2, "v2"), (4, "v4")):
        data[4:8] = struct.pack("<I", version)
        yield Broken(f"gguf_{name}", bytes(data), "open", "Unsupported", f"is GGUF version {version}, wanted 3")
    data[4:24] = struct.pack(">IQQ", 3, 3, 20)
    yield Broken("gguf_big_endian", bytes(data), "open", "Unsupported", "version 3, big-endian")


Change = Callable[[Draft], object]


def _set(name: str, value: object) -> Change:
    return lambda draft: setattr(draft, name, value)


def _entry(key: bytes, kind: int, payload: bytes) -> Change:
    return lambda draft: draft.put(key, kind, payload)


def _add(key: bytes, kind: int, payload: bytes) -> Change:
    return lambda draft: draft.entries.insert(0, Entry(key, kind, payload))


def _tensor(index: int, name: str, value: object) -> Change:
    return lambda draft: setattr(draft.tensors[index], name, value)


def _unsealed(change: Change) -> Change:
    def apply(draft: Draft) -> None:
        draft.seals = False
        change(draft)

    return apply


def _long_key(draft: Draft) -> None:
    # A length that lies cannot be written through Entry: the entry's bytes stand in the key of the one before.
    draft.entries.insert(0, Entry(b"test.a", STRING, struct.pack("<Q", 0) + struct.pack("<Q", 2**64 - 1) + b"key"))
    draft.num_entries = len(draft.entries) + 1


_STRUCTURE: list[tuple[str, Change, str, str]] = [
    ("tensors_one_more", _set("num_tensors", 4), "DataLoss", "the name of tensor 3: wanted a name"),
    ("tensors_one_less", _set("num_tensors", 2), "DataLoss", "the list of tensors: the padding behind it must be zero"),
    (
        "tensors_absurd",
        _set("num_tensors", 2**63),
        "DataLoss",
        "wanted at most 16384 tensors, found 9223372036854775808",
    ),
    ("tensors_many", _set("num_tensors", 16384), "DataLoss", "16384 tensors do not fit the"),
    ("entries_one_less", _set("num_entries", 22), "DataLoss", ""),
    (
        "entries_absurd",
        _set("num_entries", 2**64 - 1),
        "DataLoss",
        "wanted at most 4096 metadata entries, found 1844674",
    ),
    ("entries_many", _set("num_entries", 4096), "DataLoss", "4096 metadata entries do not fit the"),
    ("key_length_absurd", _long_key, "DataLoss", "the key of metadata entry 1: wanted a length of at most 256 bytes"),
    ("key_too_long", _add(b"k" * 257, U8, b"\0"), "DataLoss", "wanted a length of at most 256 bytes, found 257"),
    ("key_empty", _add(b"", U8, b"\0"), "DataLoss", "the key of metadata entry 0: wanted a name"),
    ("key_not_utf8", _add(b"test.\xff", U8, b"\0"), "DataLoss", "the key of metadata entry 0: wanted UTF-8"),
    ("key_overlong_utf8", _add(b"test.\xc0\xaf", U8, b"\0"), "DataLoss", "wanted UTF-8"),
    ("key_surrogate", _add(b"test.\xed\xa0\x80", U8, b"\0"), "DataLoss", "wanted UTF-8"),
    ("key_control", _add(b"test\n", U8, b"\0"), "DataLoss", "found a control character"),
    ("key_twice", _add(b"test.u8", U8, b"\0"), "DataLoss", "metadata test.u8 appears twice"),
    (
        "value_type_unknown",
        _add(b"k", 13, b"\0" * 8),
        "DataLoss",
        "metadata k: wanted a value type of 0 to 12, found 13",
    ),
    ("value_type_absurd", _add(b"k", 2**32 - 1, b"\0" * 8), "DataLoss", "found 4294967295"),
    ("bool_two", _entry(b"test.bool", BOOL, b"\2"), "DataLoss", "metadata test.bool: a bool must be 0 or 1, found 2"),
    ("string_not_utf8", _add(b"k", STRING, pack_string(b"\xfe")), "DataLoss", "metadata k: wanted UTF-8"),
    (
        "string_length_absurd",
        _add(b"k", STRING, b"\xff" * 8),
        "DataLoss",
        "metadata k: wanted a length of at most 16777216",
    ),
    (
        "string_length_lies",
        _add(b"k", STRING, struct.pack("<Q", 2**24)),
        "DataLoss",
        "truncated: metadata k wants 16777216",
    ),
    ("array_nested", _add(b"k", ARRAY, pack_array(ARRAY, [])), "DataLoss", "found items of type 9"),
    ("array_of_bools", _add(b"k", ARRAY, pack_array(BOOL, [1, 0])), "DataLoss", "found items of type 7"),
    ("array_type_unknown", _add(b"k", ARRAY, struct.pack("<IQ", 99, 1)), "DataLoss", "found items of type 99"),
    ("array_absurd", _add(b"k", ARRAY, struct.pack("<IQ", U64, 2**61 + 1)), "DataLoss", "wanted at most 1048576 items"),
    (
        "array_lies",
        _add(b"k", ARRAY, struct.pack("<IQ", U64, 2**20)),
        "DataLoss",
        "truncated: 1048576 items do not fit",
    ),
    ("array_of_strings_lies", _add(b"k", ARRAY, struct.pack("<IQ", STRING, 2**20)), "DataLoss", "do not fit"),
    ("array_string_lies", _add(b"k", ARRAY, struct.pack("<IQQ", STRING, 1, 9999)), "DataLoss", "metadata k wants 9999"),
    (
        "list_padding",
        _set("list_padding", b"\1"),
        "DataLoss",
        "the list of tensors: the padding behind it must be zero",
    ),
    ("tensor_padding", _set("tensor_padding", b"x"), "DataLoss", "tensor weight: the padding behind it must be zero"),
    ("trailing_byte", _set("trailing", b"\0"), "DataLoss", "1 bytes follow the last tensor"),
    ("trailing_block", _set("trailing", bytes(64)), "DataLoss", "64 bytes follow the last tensor"),
    ("rank_zero", _tensor(0, "dims", []), "DataLoss", "tensor weight: wanted 1 to 4 dimensions, found 0"),
    ("rank_five", _tensor(0, "dims", [6, 1, 1, 1, 1]), "DataLoss", "tensor weight: wanted 1 to 4 dimensions, found 5"),
    ("size_zero", _tensor(1, "dims", [4, 0]), "DataLoss", "tensor scale: dimension 1 is 0"),
    ("size_absurd", _tensor(1, "dims", [2**63]), "DataLoss", "tensor scale: dimension 0 is 9223372036854775808"),
    ("sizes_overflow", _tensor(1, "dims", [2**16] * 4), "DataLoss", "tensor scale: dimension 0 is 65536"),
    ("sizes_wrap", _tensor(1, "dims", [4, 2**62]), "DataLoss", "tensor scale: dimension 1 is 4611686018427387904"),
    ("size_one_more", _tensor(2, "dims", [71]), "DataLoss", "tensor packed.q2r is corrupt"),
    ("size_larger_than_file", _tensor(2, "dims", [1200]), "DataLoss", "tensor packed.q2r: truncated"),
    ("bytes_larger_than_file", _tensor(0, "dims", [1200]), "DataLoss", "tensor weight: truncated: 1200 elements of 4"),
    (
        "type_q4_0",
        _tensor(1, "kind", 2),
        "Unsupported",
        "tensor scale: wanted GGUF type F32 (0), F16 (1) or I8 (24), found 2",
    ),
    ("type_i32", _tensor(1, "kind", 26), "Unsupported", "found 26"),
    ("type_unknown", _tensor(1, "kind", 2**31), "Unsupported", "found 2147483648"),
    ("type_wider", _tensor(1, "kind", TENSOR_F32), "DataLoss", "tensor scale is corrupt"),
    ("offset_misaligned", _tensor(1, "offset", 65), "DataLoss", "tensor scale: offset 65 is not a multiple of 64"),
    ("offset_overlap", _tensor(1, "offset", 0), "DataLoss", "tensor scale: offset 0 overlaps the tensor before it"),
    ("offset_gap", _tensor(1, "offset", 128), "DataLoss", "tensor scale: offset 128 leaves a gap before it, wanted 64"),
    ("offset_absurd", _tensor(2, "offset", 2**64 - 64), "DataLoss", "offset 18446744073709551552 leaves a gap"),
    ("name_twice", _tensor(1, "name", b"weight"), "DataLoss", "tensor weight appears twice"),
    ("name_empty", _tensor(1, "name", b""), "DataLoss", "the name of tensor 1: wanted a name"),
    ("name_not_utf8", _tensor(1, "name", b"sc\x80le"), "DataLoss", "wanted UTF-8"),
    ("name_zero_byte", _tensor(1, "name", b"sc\0le"), "DataLoss", "the name of tensor 1: wanted printable text"),
    ("name_too_long", _tensor(1, "name", b"n" * 257), "DataLoss", "wanted a length of at most 256 bytes, found 257"),
]

_MEANING: list[tuple[str, Change, str, str]] = [
    (
        "alignment_32",
        _entry(b"general.alignment", U32, pack(U32, 32)),
        "Unsupported",
        "general.alignment is 32, wanted 64",
    ),
    ("alignment_missing", lambda d: d.drop(b"general.alignment"), "Unsupported", "general.alignment is not given"),
    ("alignment_text", _entry(b"general.alignment", STRING, pack_string(b"64")), "Unsupported", "not given as u32"),
    ("architecture_missing", lambda d: d.drop(b"general.architecture"), "DataLoss", "general.architecture is missing"),
    ("architecture_number", _entry(b"general.architecture", U32, pack(U32, 1)), "DataLoss", "wanted string"),
    ("version_future", _entry(b"sottovoce.format_version", U32, pack(U32, 2)), "Unsupported", "format_version is 2"),
    ("version_zero", _entry(b"sottovoce.format_version", U32, pack(U32, 0)), "Unsupported", "format_version is 0"),
    ("version_missing", lambda d: d.drop(b"sottovoce.format_version"), "DataLoss", "format_version is missing"),
    ("version_text", _entry(b"sottovoce.format_version", STRING, pack_string(b"1")), "DataLoss", "wanted u32"),
    (
        "version_wide",
        _entry(b"sottovoce.format_version", U64, pack(U64, 2**32 + 1)),
        "DataLoss",
        "does not fit in 32 bits",
    ),
    (
        "feature_unknown",
        _entry(b"sottovoce.required_features", ARRAY, pack_array(STRING, [b"moe"])),
        "Unsupported",
        "needs the feature 'moe'",
    ),
    (
        "features_text",
        _entry(b"sottovoce.required_features", STRING, pack_string(b"")),
        "DataLoss",
        "wanted string array",
    ),
    ("header_checksum_wrong", _set("header_checksum", 1), "DataLoss", "the header is corrupt"),
    ("header_checksum_missing", lambda d: d.drop(HEADER_CHECKSUM), "DataLoss", "sottovoce.header_crc32c is missing"),
    ("header_checksum_wide", _entry(HEADER_CHECKSUM, U64, pack(U64, 0)), "DataLoss", "wanted u32"),
    (
        "names_missing",
        _unsealed(lambda d: d.drop(b"sottovoce.tensor_names")),
        "DataLoss",
        "sottovoce.tensor_names has 0",
    ),
    (
        "checksums_missing",
        _unsealed(lambda d: d.drop(b"sottovoce.tensor_crc32c")),
        "DataLoss",
        "sottovoce.tensor_crc32c 0",
    ),
    (
        "names_swapped",
        _unsealed(_entry(b"sottovoce.tensor_names", ARRAY, pack_array(STRING, [b"scale", b"weight", b"packed.q2r"]))),
        "DataLoss",
        "tensor weight stands where sottovoce.tensor_names has scale",
    ),
    (
        "checksums_text",
        _unsealed(_entry(b"sottovoce.tensor_crc32c", ARRAY, pack_array(STRING, [b"1"] * 3))),
        "DataLoss",
        "wanted u32 array",
    ),
    (
        "data_other_tensor",
        _unsealed(_tensor(1, "data", struct.pack("<4e", 1, 0.5, 0.25, 2))),
        "DataLoss",
        "tensor scale is corrupt",
    ),
]


def _flips() -> Iterator[Broken]:
    draft = good()
    data = build(draft)
    places = draft.sections

    def flip(name: str, at: int, message: str) -> Broken:
        broken = bytearray(data)
        broken[at] ^= 0x10
        return Broken(f"flip_{name}", bytes(broken), "open", "DataLoss", message)

    yield flip("name", places["entry b'general.name'"] + 8 + 12 + 4 + 8, "the header is corrupt")
    yield flip("label", places["entry b'test.labels'"] + 8 + 11 + 4 + 12 + 8, "the header is corrupt")
    yield flip("tensor_name", places["tensors"] + 9, "the header is corrupt")
    yield flip("header_checksum", places["tensors"] - 1, "the header is corrupt")
    yield flip("first_tensor", places["data"], "tensor weight is corrupt")
    yield flip("last_tensor", places["tensor b'packed.q2r'"] + 69, "tensor packed.q2r is corrupt")
    yield flip("padding", places["end"] - 1, "the padding behind it must be zero")


def broken() -> Iterator[Broken]:
    """Yield every broken file, in a fixed order."""
    yield from _cuts()
    yield from _foreign()
    for name, change, status, message in _STRUCTURE + _MEANING:
        draft = deepcopy(good())
        change(draft)
        yield Broken(name, build(draft), "open", status, message)
    yield from _flips()
    draft = good()
    draft.seals = False
    draft.put(b"sottovoce.sha256", STRING, pack_string(b"0" * 64))
    yield Broken("sha256_wrong", build(draft), "verify", "DataLoss", "the SHA-256 of the tensors is ")
    draft.drop(b"sottovoce.sha256")
    yield Broken("sha256_missing", build(draft), "verify", "DataLoss", "sottovoce.sha256 is missing")


def write_folder(folder: Path) -> int:
    """Write the good file, the broken ones and `expected.tsv`; return how many are broken."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "good.gguf").write_bytes(build(good()))
    lines = []
    for file in broken():
        (folder / f"{file.name}.gguf").write_bytes(file.data)
        lines.append(f"{file.name}.gguf\t{file.step}\t{file.status}\t{file.message}\n")
    (folder / "expected.tsv").write_text("".join(lines))
    return len(lines)


if __name__ == "__main__":
    print(write_folder(Path(sys.argv[1])), "broken files")
