"""Compares sottovoce.Tokenizer with Hugging Face `tokenizers`: ids and offsets of every line of files, or of Unicode.

Usage: python tools/compare_tokenizers.py VOCAB FILE...      (cased and uncased; exit status 1 when a line differs)
       python tools/compare_tokenizers.py VOCAB --code-points  (every code point, alone and between letters)
       python tools/compare_tokenizers.py VOCAB --random N     (N strings of random code points, marks among them)
VOCAB is a vocab.txt, or the word `alphabet`: every character but Han and Hangul is then a piece and no [UNK] hides any.
FILE may be compressed with gzip, bzip2 or xz, or a tar of such; a directory stands for the files in it.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import lzma
import random
import sys
import tarfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Reference
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from sottovoce.tokenizer import Tokenizer

MODES = {
    "uncased": (True, True, True),
    "cased": (False, False, True),
    "lowercase with accents": (True, False, True),
    "cased without accents, CJK joined": (False, True, False),
}


def make_reference(pieces: list[str], lowercase: bool, strip_accents: bool, chinese_chars: bool) -> Reference:
    """The pipeline of BertWordPieceTokenizer without its template and without special tokens in the text."""
    vocab = {piece: row for row, piece in enumerate(pieces)}
    tokenizer = Reference(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese_chars, strip_accents=strip_accents, lowercase=lowercase
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def alphabet() -> list[str]:
    """Special tokens and every character that may come out of normalisation, beginning a word and continuing one."""
    characters = [
        chr(point)
        for point in (*range(0x21, 0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0xFFFD), *range(0x10000, 0x20000))
        if unicodedata.category(chr(point)) != "Co"
    ]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *("##" + character for character in characters)]


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a text file, decoded with replacement of bad bytes."""
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if path.is_dir():
        for child in sorted(path.rglob("*")):
            if child.is_file() and not child.is_symlink():
                yield from lines_of(child)
    elif ".tar" in path.suffixes:
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is not None:
                    for line in stream:
                        yield line.decode("utf-8", "replace").rstrip("\n")
    else:
        with openers.get(path.suffix, open)(path, "rb") as stream:
            for line in stream:
                yield line.decode("utf-8", "replace").rstrip("\n")


def code_points() -> Iterator[str]:
    """Every code point but surrogates, alone, inside a word, and before marks of other classes."""
    for point in range(0x110000):
        if not 0xD800 <= point <= 0xDFFF:
            character = chr(point)
            yield f"{character} a{character}a"
            if unicodedata.category(character)[0] == "M":
                yield f"a{character}\u0345{character}\u0301\u302e{character}\u0334{character}\U0001d165{character}"


def random_strings(count: int, seed: int = 1) -> Iterator[str]:
    """Strings of 1 to 40 characters: letters, blanks, marks, Hangul, Han, controls, any plane."""
    generator = random.Random(seed)
    everything = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    marks = [character for character in everything if unicodedata.combining(character)]
    decomposing = [character for character in everything if unicodedata.decomposition(character)]
    assigned = [character for character in everything if unicodedata.category(character) not in ("Cn", "Co")]
    basic = [character for character in assigned if ord(character) < 0x3000]
    pools = [list("abcdefghij XYZ ,.-'"), marks, decomposing, assigned, basic, everything]
    for _ in range(count):
        chosen = generator.choices(pools, k=3)
        yield "".join(generator.choice(generator.choice(chosen)) for _ in range(generator.randint(1, 40)))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("vocab", type=Path, help="vocab.txt, or `alphabet`")
    parser.add_argument("files", type=Path, nargs="*", help="text files, archives, directories")
    parser.add_argument("--code-points", action="store_true", help="every code point of Unicode")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="this many random strings")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="at most this many lines of each FILE")
    parser.add_argument("--mode", choices=sorted(MODES), action="append", help="default: all four")
    arguments = parser.parse_args()
    if str(arguments.vocab) == "alphabet":
        pieces = alphabet()
    else:
        pieces = arguments.vocab.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    pairs = [
        (
            mode,
            Tokenizer(pieces, lowercase=MODES[mode][0], strip_accents=MODES[mode][1], chinese_chars=MODES[mode][2]),
            make_reference(pieces, *MODES[mode]),
        )
        for mode in arguments.mode or MODES
    ]
    sources: list[tuple[str, Iterator[str]]] = [(str(path), lines_of(path)) for path in arguments.files]
    if arguments.code_points:
        sources.append(("code points", code_points()))
    if arguments.random:
        sources.append(("random strings", random_strings(arguments.random)))
    failures = 0
    for name, lines in sources:
        num_lines = num_pieces = different = non_ascii = 0
        for line in lines:
            if arguments.limit and num_lines >= arguments.limit:
                break
            num_lines += 1
            non_ascii += not line.isascii()
            for mode, ours, reference in pairs:
                got, wanted = ours.encode(line), reference.encode(line, add_special_tokens=False)
                num_pieces += len(wanted.ids)
                if got.ids[1:-1] != wanted.ids or got.offsets[1:-1] != wanted.offsets:
                    different += 1
                    if different <= 5:
                        print(f"{name}, {mode}: {line[:200]!a}")
                        print(f"  wanted {wanted.tokens[:30]!a} {wanted.offsets[:30]}")
                        print(f"  found  {got.pieces[1:31]!a} {got.offsets[1:31]}")
        failures += different
        print(
            f"{name}: {num_lines} lines ({non_ascii} not ASCII), {num_pieces} pieces in {len(pairs)} modes, "
            f"{different} differ",
            flush=True,
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
