"""A small artifact made by hand, and many broken variants of it.

    python tests/python/broken_artifacts.py tests/golden/broken     # writes the folder that the C++ tests and the fuzzer read

It writes GGUF itself rather than through `gguf`, so that wrong things can be said.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import google_crc32c

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
TYPE_F32, TYPE_F16, TYPE_I8 = 0, 1, 24


def string(text: str | bytes) -> bytes:
    """A GGUF string."""
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def strings(*texts: str) -> bytes:
    """A GGUF value: an array of strings."""
    return struct.pack("<IIQ", ARRAY, STRING, len(texts)) + b"".join(string(text) for text in texts)


def u32(value: int) -> bytes:
    """A GGUF value."""
    return struct.pack("<II", U32, value)


def text(value: str | bytes) -> bytes:
    """A GGUF value."""
    return struct.pack("<I", STRING) + string(value)


@dataclass(frozen=True)
class Tensor:
    """A tensor with everything that a file says of it."""

    name: str | bytes
    shape: tuple[int, ...]
    type: int
    data: bytes
    offset: int | None = None  # None: where it really is
    crc: int | None = None  # None: the right one


@dataclass(frozen=True)
class File:
    """A whole file, each part of which can be a lie."""

    tensors: tuple[Tensor, ...]
    entries: tuple[tuple[str | bytes, bytes], ...] = ()
    without: tuple[str, ...] = ()
    magic: bytes = b"GGUF"
    version: bytes = struct.pack("<I", 3)
    num_tensors: int | None = None
    num_entries: int | None = None
    tail: bytes = b""
    names: tuple[str, ...] | None = None
    checksums: tuple[int, ...] | None = None
    alignment: int = 64
    sections: dict[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The file; `sections` then says where each part begins."""
        names = self.names or tuple(t.name if isinstance(t.name, str) else "?" for t in self.tensors)
        sums = self.checksums or tuple(google_crc32c.value(t.data) if t.crc is None else t.crc for t in self.tensors)
        entries = [
            ("general.architecture", text("bert-intent-slot")),
            ("general.alignment", u32(self.alignment)),
            ("sottovoce.format_version", u32(1)),
            ("sottovoce.tensor_names", strings(*names)),
            ("sottovoce.tensor_crc32c", struct.pack("<IIQ", ARRAY, U32, len(sums)) + struct.pack(f"<{len(sums)}I", *sums)),
            ("sottovoce.sha256", text("0" * 64)),
        ]
        replaced = dict(self.entries)
        entries = [(key, replaced.pop(key, value)) for key, value in entries if key not in self.without]
        entries += [entry for entry in self.entries if entry[0] in replaced]
        out = self.magic + self.version
        out += struct.pack("<Q", len(self.tensors) if self.num_tensors is None else self.num_tensors)
        out += struct.pack("<Q", len(entries) if self.num_entries is None else self.num_entries)
        self.sections["metadata"] = len(out)
        for key, value in entries:
            out += string(key) + value
        self.sections["tensors"] = len(out)
        offset = 0
        for tensor in self.tensors:
            shape = struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
            out += string(tensor.name) + struct.pack("<I", len(tensor.shape)) + shape
            out += struct.pack("<IQ", tensor.type, offset if tensor.offset is None else tensor.offset)
            offset += -(-len(tensor.data) // 64) * 64
        self.sections["data"] = len(out)
        for tensor in self.tensors:
            out += b"\0" * (-len(out) % 64) + tensor.data
        return out + b"\0" * (-len(out) % 64) + self.tail


FIRST = Tensor("first", (4, 2), TYPE_F32, struct.pack("<8f", *range(8)))
SECOND = Tensor("second.q2r", (100,), TYPE_I8, bytes(range(100)))
GOOD = File((FIRST, SECOND, Tensor("third.scale", (5,), TYPE_F16, b"\x00\x3c" * 5)))


def broken() -> Iterator[tuple[str, bytes, str]]:
    """Yield (name, bytes, regular expression of the message) of every broken variant."""

    def one(tensor: Tensor) -> File:
        return replace(GOOD, tensors=(tensor, SECOND))

    good = GOOD.to_bytes()
    yield "empty", b"", "is empty"
    yield "zip", b"PK\x03\x04" + b"\0" * 60, "not a GGUF file"
    yield "text", b"this is no model\n" * 10, "not a GGUF file"
    yield "version-2", replace(GOOD, version=struct.pack("<I", 2)).to_bytes(), "GGUF version 2, wanted 3"
    yield "big-endian", replace(GOOD, version=struct.pack(">I", 3)).to_bytes(), "big-endian"
    yield "many-tensors", replace(GOOD, num_tensors=2**63).to_bytes(), "number of tensors is 9223372036854775808"
    yield "many-entries", replace(GOOD, num_entries=2**40).to_bytes(), "number of metadata entries is"
    yield "more-tensors", replace(GOOD, num_tensors=4).to_bytes(), "."
    yield "fewer-tensors", replace(GOOD, num_tensors=2).to_bytes(), "2 tensors, but|follow the last tensor"
    yield "more-entries", replace(GOOD, num_entries=9).to_bytes(), "."
    huge = struct.pack("<I", STRING) + struct.pack("<Q", 2**62) + b"x"
    yield "huge-string", replace(GOOD, entries=(("a", huge),)).to_bytes(), "claims 4611686018427387904 bytes"
    long_array = struct.pack("<IIQ", ARRAY, STRING, 2**19)
    yield "long-array", replace(GOOD, entries=(("a", long_array),)).to_bytes(), "array is longer than the file"
    huge_array = struct.pack("<IIQ", ARRAY, U32, 2**60)
    yield "huge-array", replace(GOOD, entries=(("a", huge_array),)).to_bytes(), "array's length is"
    nested = struct.pack("<IIQ", ARRAY, ARRAY, 1) + struct.pack("<IQ", U32, 0)
    yield "nested-array", replace(GOOD, entries=(("a", nested),)).to_bytes(), "a is an array of type 9"
    yield "value-type", replace(GOOD, entries=(("a", struct.pack("<I", 77)),)).to_bytes(), "unknown type 77"
    yield "bool-two", replace(GOOD, entries=(("a", struct.pack("<IB", BOOL, 2)),)).to_bytes(), "bool of value 2"
    yield "bad-utf8", replace(GOOD, entries=(("a", text(b"\xff\xfe")),)).to_bytes(), "not valid UTF-8"
    yield "bad-key", replace(GOOD, entries=((b"\xc0\xaf", u32(1)),)).to_bytes(), "not valid UTF-8"
    yield "long-key", replace(GOOD, entries=(("k" * 300, u32(1)),)).to_bytes(), "key claims 300 bytes"
    yield "key-twice", replace(GOOD, entries=(("a", u32(1)), ("a", u32(2)))).to_bytes(), "a appears twice"
    yield "alignment", replace(GOOD, alignment=32).to_bytes(), "general.alignment is 32, wanted 64"
    yield "no-alignment", replace(GOOD, without=("general.alignment",)).to_bytes(), "alignment is missing"
    future = replace(GOOD, entries=(("sottovoce.format_version", u32(2)),))
    yield "future", future.to_bytes(), "format_version is 2, this build reads up to 1"
    feature = replace(GOOD, entries=(("sottovoce.required_features", strings("time-travel")),))
    yield "feature", feature.to_bytes(), "needs the feature 'time-travel'"
    yield "no-version", replace(GOOD, without=("sottovoce.format_version",)).to_bytes(), "format_version is missing"
    yield "no-architecture", replace(GOOD, without=("general.architecture",)).to_bytes(), "architecture is missing"
    typed = replace(GOOD, entries=(("general.architecture", u32(1)),))
    yield "architecture-type", typed.to_bytes(), "architecture has the wrong type, wanted string"
    yield "no-checksums", replace(GOOD, without=("sottovoce.tensor_crc32c",)).to_bytes(), "tensor_crc32c 0"
    yield "names", replace(GOOD, names=("first", "x", "third.scale")).to_bytes(), "second.q2r stands where .* has x"
    yield "checksum", one(replace(FIRST, crc=1)).to_bytes(), "first is corrupt"
    yield "tensor-type", one(replace(FIRST, type=2)).to_bytes(), "first has type 2"
    yield "rank-0", one(replace(FIRST, shape=())).to_bytes(), "first has 0 dimensions"
    yield "rank-9", one(replace(FIRST, shape=(1,) * 9)).to_bytes(), "first has 9 dimensions"
    yield "zero", one(replace(FIRST, shape=(4, 0))).to_bytes(), "dimension of 0"
    yield "overflow", one(replace(FIRST, shape=(2**33, 2**33))).to_bytes(), "more than the file can hold"
    yield "too-large", one(replace(FIRST, shape=(4, 90))).to_bytes(), "past the end|offset"
    yield "overlap", replace(GOOD, tensors=(FIRST, replace(SECOND, offset=0))).to_bytes(), "second.q2r is at offset 0"
    yield "unaligned", replace(GOOD, tensors=(FIRST, replace(SECOND, offset=33))).to_bytes(), "at offset 33, wanted 64"
    yield "far", replace(GOOD, tensors=(FIRST, replace(SECOND, offset=2**63))).to_bytes(), "offset 9223372036854775808"
    yield "tensor-twice", replace(GOOD, tensors=(FIRST, FIRST)).to_bytes(), "first appears twice"
    yield "trailing", replace(GOOD, tail=b"x").to_bytes(), "1 bytes follow the last tensor"
    for section, start in GOOD.sections.items():
        yield f"cut-at-{section}", good[:start], "."
        yield f"cut-in-{section}", good[: start + 5], "."


def main() -> None:
    """Write the folder."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "good.gguf").write_bytes(GOOD.to_bytes())
    for name, data, _ in broken():
        (directory / f"{name}.broken").write_bytes(data)


if __name__ == "__main__":
    main()
