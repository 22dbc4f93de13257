"""Writes csrc/text/unicode_properties.cc and unicode_decompositions.cc from Python's `unicodedata` (Unicode 14.0).

Usage: python tools/make_unicode_tables.py [--check]     (--check: fail when the committed files differ)

The tokenizer must split text as Hugging Face `tokenizers` does, and that library mixes versions: its categories are
about Unicode 8 (crate unicode_categories), its decompositions Unicode 9 (unicode-normalization-alignments), its
lowercase Unicode 17 (the Rust standard library). The sets below are the differences from Unicode 14, found by asking
`tokenizers` 0.23.3 about all 1,112,064 code points; tools/compare_tokenizers.py --code-points repeats that comparison.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

UNICODE_VERSION = "14.0.0"
ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "csrc" / "text"

# Nonspacing marks (Mn) added after Unicode 8: not stripped.
NEWER_MARKS = """
7FD 898-89F 8CA-8E1 9FE AFA-AFF B55 C04 C3C D00 D3B-D3C D81 EBA 180F 1885-1886 1ABF-1ACE 1DF6-1DFB A82C A8C5 A8FF A9BD
10D24-10D27 10EAB-10EAC 10F46-10F50 10F82-10F85 11070 11073-11074 110C2 111C9 111CF 1123E 1133B 11438-1143F
11442-11444 11446 1145E 1182F-11837 11839-1183A 1193B-1193C 1193E 11943 119D4-119D7 119DA-119DB 119E0 11A01-11A0A
11A33-11A38 11A3B-11A3E 11A47 11A51-11A56 11A59-11A5B 11A8A-11A96 11A98-11A99 11C30-11C36 11C38-11C3D 11C3F
11C92-11CA7 11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A 11D3C-11D3D 11D3F-11D45 11D47 11D90-11D91 11D95
11D97 11EF3-11EF4 16F4F 16FE4 1CF00-1CF2D 1CF30-1CF46 1E000-1E006 1E008-1E018 1E01B-1E021 1E023-1E024 1E026-1E02A
1E130-1E136 1E2AE 1E2EC-1E2EF 1E944-1E94A
"""
FORMER_MARKS = "1734"  # Mn until Unicode 13
# Punctuation added after Unicode 8: part of a word.
NEWER_PUNCTUATION = """
61D 9FD A76 C77 C84 1B7D-1B7E 2E43-2E4F 2E52-2E5D 10EAD 10F55-10F59 10F86-10F89 1144B-1144F 1145A-1145B 1145D
11660-1166C 116B9 1183B 11944-11946 119E2 11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11C41-11C45 11C70-11C71 11EF7-11EF8
11FFF 12FF1-12FF2 16E97-16E9A 16FE2 1E95E-1E95F
"""
FORMER_PUNCTUATION = "166D 111C9"
NEWER_FORMATS = "890-891 8E2 110CD 13430-13438"  # Cf added after Unicode 8: kept
# Combining classes added after Unicode 9: taken for 0.
NEWER_COMBINING = """
7FD 898-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1ACE 1DF6-1DFA A82C 10D24-10D27 10EAB-10EAC 10F46-10F50 10F82-10F85
11070 1133B 1145E 11839-1183A 1193D-1193E 11943 119E0 11A34 11A47 11A99 11D42 11D44-11D45 11D97 16FF0-16FF1
1E130-1E136 1E2AE 1E2EC-1E2EF
"""
NEWER_DECOMPOSITION = 0x11938  # not decomposed
# Lowercase added in Unicode 15 to 17: code points and the distance to their lowercase.
NEWER_LOWERCASE = [("1C89", 1), ("A7CB", -0xA567), ("A7CC", 1), ("A7CE", 1), ("A7D2", 1), ("A7D4", 1), ("A7DA", 1)]
NEWER_LOWERCASE += [("A7DC", -0xA641), ("10D50-10D65", 0x20), ("16EA0-16EB8", 0x1B)]

REMOVED, WHITESPACE, PUNCTUATION, MARK, DECOMPOSES = 1, 2, 4, 8, 16
LEAF_BITS, NODE_BITS = 6, 6  # bits of a code point that the last and the middle stage take

Properties = tuple[int, int, int]  # lowercase delta, combining class, flags


def parse_ranges(text: str) -> set[int]:
    """The code points of "61D 890-891" (hexadecimal, ends included)."""
    points: set[int] = set()
    for item in text.split():
        first, _, last = item.partition("-")
        points.update(range(int(first, 16), int(last or first, 16) + 1))
    return points


def decomposition(point: int) -> str:
    """The full canonical decomposition of a code point, or "" (Hangul syllables are computed at run time)."""
    character = chr(point)
    if 0xAC00 <= point <= 0xD7A3 or 0xD800 <= point <= 0xDFFF or point == NEWER_DECOMPOSITION:
        return ""
    result = unicodedata.normalize("NFD", character)
    return "" if result == character else result


def all_properties() -> list[Properties]:
    """Properties of every code point, as Hugging Face sees them."""
    no_mark, also_mark = parse_ranges(NEWER_MARKS), parse_ranges(FORMER_MARKS)
    no_punctuation, also_punctuation = parse_ranges(NEWER_PUNCTUATION), parse_ranges(FORMER_PUNCTUATION)
    no_format, no_class = parse_ranges(NEWER_FORMATS), parse_ranges(NEWER_COMBINING)
    new_lower = {point: delta for text, delta in NEWER_LOWERCASE for point in parse_ranges(text)}
    table: list[Properties] = []
    for point in range(0x110000):
        character = chr(point)
        category = unicodedata.category(character)
        flags = 0
        if character in "\t\n\r":
            flags |= WHITESPACE
        elif point in (0, 0xFFFD) or (category in ("Cc", "Cf", "Co") and point not in no_format):
            flags |= REMOVED
        elif character.isspace():
            flags |= WHITESPACE
        ascii_symbol = 0x21 <= point <= 0x7E and not character.isalnum()
        if (category[0] == "P" and point not in no_punctuation) or ascii_symbol or point in also_punctuation:
            flags |= PUNCTUATION
        if (category == "Mn" and point not in no_mark) or point in also_mark:
            flags |= MARK
        if decomposition(point):
            flags |= DECOMPOSES
        lower = character.lower()
        # U+0130 alone becomes two characters; unicode_tables.h gives it by hand.
        delta = new_lower.get(point, ord(lower) - point if len(lower) == 1 else 0)
        table.append((delta, 0 if point in no_class else unicodedata.combining(character), flags))
    return table


def split(values: Sequence[int], bits: int) -> tuple[list[int], list[int]]:
    """Shares equal blocks of 2^bits values: the block number of each position, and the blocks one after another."""
    size = 1 << bits
    numbers: dict[tuple[int, ...], int] = {}
    index = [
        numbers.setdefault(tuple(values[start : start + size]), len(numbers)) for start in range(0, len(values), size)
    ]
    return index, [value for block in numbers for value in block]


def array(name: str, ctype: str, values: Sequence[int]) -> str:
    lines, line = [], ""
    for value in values:
        item = f"{value}, "
        if len(line) + len(item) > 118:
            lines.append("    " + line.rstrip())
            line = ""
        line += item
    lines.append("    " + line.rstrip(", "))
    return f"const {ctype} {name}[{len(values)}] = {{\n" + "\n".join(lines) + "};\n"


HEADER = f"""// Generated by tools/make_unicode_tables.py from Unicode {UNICODE_VERSION}; do not edit.
// clang-format off
#include "text/unicode_tables.h"

namespace sottovoce::unicode {{
"""
FOOTER = "\n}  // namespace sottovoce::unicode\n"


def properties_source() -> tuple[str, int]:
    """The three-stage table and its size in bytes."""
    table = all_properties()
    records = sorted(set(table), key=lambda record: (record != (0, 0, 0), record))
    numbers = {record: number for number, record in enumerate(records)}
    nodes, leaves = split([numbers[record] for record in table], LEAF_BITS)
    roots, middle = split(nodes, NODE_BITS)
    record_type = "uint8_t" if len(records) <= 256 else "uint16_t"
    if record_type != "uint8_t" or max(roots) > 255 or max(middle) > 65535:
        raise SystemExit("the tables outgrew their types: change unicode_tables.h")
    body = array("kRoots", "uint8_t", roots) + array("kNodes", "uint16_t", middle) + array("kLeaves", "uint8_t", leaves)
    rows = "".join(f"    {{{delta}, {ccc}, {flags}}},\n" for delta, ccc, flags in records)
    body += f"const Properties kProperties[{len(records)}] = {{\n{rows}}};\n"
    return HEADER + body + FOOTER, len(roots) + 2 * len(middle) + len(leaves) + 8 * len(records)


def decompositions_source() -> tuple[str, int]:
    """Keys (code point << 13 | start in the pool of UTF-16 units), sorted, and the size in bytes."""
    keys: list[int] = []
    pool: list[int] = []
    for point in range(0x30000):
        text = decomposition(point)
        if text:
            keys.append(point << 13 | len(pool))
            units = text.encode("utf-16-be")
            pool += [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    keys.append(0x7FFFF << 13 | len(pool))  # the end of the last one
    if len(pool) >= 1 << 13:
        raise SystemExit("the decompositions outgrew 13 bits: change unicode_tables.h")
    body = f"const int kNumDecompositions = {len(keys) - 1};\n"
    body += array("kDecompositionKeys", "uint32_t", keys) + array("kDecompositionUnits", "uint16_t", pool)
    return HEADER + body + FOOTER, 4 * len(keys) + 2 * len(pool)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="fail when the committed files differ; write nothing")
    arguments = parser.parse_args()
    if unicodedata.unidata_version != UNICODE_VERSION:
        print(
            f"needs Unicode {UNICODE_VERSION} (Python 3.11), this Python has {unicodedata.unidata_version}",
            file=sys.stderr,
        )
        return 2
    total, stale = 0, False
    for name, (source, size) in (
        ("unicode_properties.cc", properties_source()),
        ("unicode_decompositions.cc", decompositions_source()),
    ):
        path = TEXT / name
        total += size
        if not arguments.check:
            path.write_text(source)
        elif not path.exists() or path.read_text() != source:
            print(f"{path.relative_to(ROOT)} is stale: run tools/make_unicode_tables.py", file=sys.stderr)
            stale = True
    print(f"Unicode {UNICODE_VERSION}: {total} bytes of tables")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
