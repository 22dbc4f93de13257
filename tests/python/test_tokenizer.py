"""The tokenizer against Hugging Face `tokenizers`, on text of many scripts, made-up Unicode, and its own promises."""

from __future__ import annotations

import re
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Reference
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

import sottovoce
from sottovoce.errors import SottovoceError
from sottovoce.tokenizer import Tokenizer

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LINES = (GOLDEN / "scripts.txt").read_text(encoding="utf-8").split("\n")
MODES = [(True, True, True), (False, False, True), (True, False, True), (False, True, False)]
MODE_NAMES = ["uncased", "cased", "lowercase_with_accents", "cased_without_accents_cjk_joined"]
BUNDLED = ("snips-en", "snips-en-6x384", "snips-en-binary", "snips-en-dyna", "atis-en")
# Younger than the Unicode of some releases of `tokenizers`: their lowercase differs between those releases.
YOUNG_CAPITALS = re.compile("[\u1c89\ua7cb-\ua7ce\ua7d2\ua7d4\ua7da\ua7dc\U00010d50-\U00010d65\U00016ea0-\U00016eb8]")


def own_vocab() -> list[str]:
    return (GOLDEN / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")


def alphabet_vocab() -> list[str]:
    """Every assigned character of the scripts as a piece, so that no unknown piece hides what became of a character."""
    points = (*range(0x21, 0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0xFFFD), *range(0x10000, 0x20000))
    characters = [chr(point) for point in points if unicodedata.category(chr(point)) not in ("Cn", "Co")]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *("##" + character for character in characters)]


def make_pair(pieces: list[str], mode: tuple[bool, bool, bool]) -> tuple[Tokenizer, Reference]:
    lowercase, strip_accents, chinese_chars = mode
    ours = Tokenizer(pieces, lowercase=lowercase, strip_accents=strip_accents, chinese_chars=chinese_chars)
    # Without added special tokens: their strings in a user's text are ordinary text here.
    reference = Reference(
        WordPiece({piece: row for row, piece in enumerate(pieces)}, unk_token="[UNK]", max_input_chars_per_word=100)
    )
    reference.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese_chars, strip_accents=strip_accents, lowercase=lowercase
    )
    reference.pre_tokenizer = BertPreTokenizer()
    return ours, reference


def assert_same(ours: Tokenizer, reference: Reference, text: str) -> None:
    got, wanted = ours.encode(text), reference.encode(text, add_special_tokens=False)
    assert got.pieces == ["[CLS]", *wanted.tokens, "[SEP]"], ascii(text)
    assert got.ids == [ours.cls_id, *wanted.ids, ours.sep_id], ascii(text)
    assert got.offsets == [(0, 0), *wanted.offsets, (0, 0)], ascii(text)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_vocab_file(GOLDEN / "vocab.txt")


@pytest.fixture(scope="module")
def alphabet_pairs() -> list[tuple[Tokenizer, Reference]]:
    pieces = alphabet_vocab()
    return [make_pair(pieces, mode) for mode in MODES]


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
def test_many_scripts_as_hugging_face(mode: tuple[bool, bool, bool]) -> None:
    vocabularies = [own_vocab(), alphabet_vocab()]
    vocabularies += [sottovoce.IntentParser.from_pretrained(name).tokenizer.vocab for name in BUNDLED]
    for pieces in vocabularies:
        pair = make_pair(pieces, mode)
        for line in LINES:
            if not YOUNG_CAPITALS.search(line):
                assert_same(*pair, line)
        assert_same(*pair, YOUNG_CAPITALS.sub("", "\n".join(LINES)))


def test_every_character_as_hugging_face(alphabet_pairs: list[tuple[Tokenizer, Reference]]) -> None:
    # All but private use, unassigned and lone surrogates; of the long runs of Han and Hangul every 50th.
    characters = [
        chr(point)
        for point in range(0x110000)
        if unicodedata.category(chr(point)) not in ("Cn", "Co", "Cs")
        and (
            point % 50 == 0
            or not (
                0x3400 <= point < 0xA000
                or 0xAC00 <= point < 0xD7A4
                or 0x17000 <= point < 0x19000
                or 0x20000 <= point < 0x2F800
                or 0x30000 <= point < 0x40000
            )
        )
    ]
    assert len(characters) > 35_000
    for first in range(0, len(characters), 64):
        text = " ".join(f"{character} a{character}a" for character in characters[first : first + 64])
        for pair in alphabet_pairs[:2]:
            assert_same(*pair, YOUNG_CAPITALS.sub("", text))


MARKS = [chr(point) for point in range(0x20000) if unicodedata.combining(chr(point))]
DECOMPOSING = [chr(point) for point in range(0x30000) if unicodedata.decomposition(chr(point))]
UNICODE_TEXT = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=6),  # all planes
        st.text(st.sampled_from(MARKS), max_size=4),
        st.text(st.sampled_from(DECOMPOSING), max_size=3),
        st.sampled_from(
            [" ", "a", "B", ".", "[SEP]", "\u200d", "\u6771", "\uac01", "\U0001d15e", "\u302e", "\x00", "\t"]
        ),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=UNICODE_TEXT)
def test_made_up_unicode_as_hugging_face(alphabet_pairs: list[tuple[Tokenizer, Reference]], text: str) -> None:
    for pair in alphabet_pairs:
        assert_same(*pair, YOUNG_CAPITALS.sub("", text))


@settings(max_examples=200, deadline=None)
@given(text=UNICODE_TEXT)
def test_offsets_and_words_are_in_order(tokenizer: Tokenizer, text: str) -> None:
    encoding = tokenizer.encode(text)
    assert len(encoding.ids) == len(encoding.pieces) == len(encoding.offsets) == len(encoding.word_ids) >= 2
    assert encoding.word_ids[0] == encoding.word_ids[-1] == -1
    for (start, end), (next_start, _) in zip(encoding.offsets[1:-1], encoding.offsets[2:-1], strict=False):
        assert 0 <= start < end <= len(text)
        assert start <= next_start
    inner = encoding.word_ids[1:-1]
    assert all(later - sooner in (0, 1) for sooner, later in zip([-1, *inner], inner, strict=False))


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), max_size=6))
def test_encode_words_is_encode_of_the_joined_words(tokenizer: Tokenizer, words: list[str]) -> None:
    ids, word_ids = tokenizer.encode_words(words)
    assert ids == tokenizer.encode(" ".join(words)).ids
    assert word_ids == [-1] + [index for index, word in enumerate(words) for _ in tokenizer.encode(word).ids[1:-1]] + [
        -1
    ]


@settings(max_examples=300, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=30),
        st.lists(
            st.sampled_from(
                [
                    b"a",
                    b"\xed\xa0\x80",
                    b"\xed",
                    b"\xa0",
                    b"\xf0\x9f\x98",
                    b"\x80",
                    b"\xe6\x9d",
                    b"\xc3\xa9",
                    b" ",
                    b"\xff",
                ]
            )
        ).map(b"".join),
    )
)
def test_bytes_are_decoded_with_replacement(tokenizer: Tokenizer, data: bytes) -> None:
    # An encoded lone surrogate is one character, as in the Python string it came from.
    text = re.sub(rb"\xed[\xa0-\xbf][\x80-\xbf]", "\ufffd".encode(), data).decode("utf-8", "replace")
    got, wanted = tokenizer.encode(data), tokenizer.encode(text)
    assert (got.ids, got.offsets, got.word_ids) == (wanted.ids, wanted.offsets, wanted.word_ids)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        assert got.invalid_utf8
    else:
        assert not got.invalid_utf8


def test_lone_surrogates_keep_offsets(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("play \ud800\udc00 jazz")
    assert encoding.pieces == ["[CLS]", "play", "jazz", "[SEP]"]
    assert encoding.offsets == [(0, 0), (0, 4), (8, 12), (0, 0)]
    assert encoding.invalid_utf8


def test_special_token_strings_are_ordinary_text(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("[CLS] play [SEP]")
    assert encoding.pieces == ["[CLS]", "[", "cl", "##s", "]", "play", "[", "sep", "]", "[SEP]"]
    assert encoding.offsets[1:5] == [(0, 1), (1, 3), (3, 4), (4, 5)]
    assert encoding.word_ids == [-1, 0, 0, 0, 0, 1, 2, 2, 2, -1]


@pytest.mark.parametrize("text", ["", " ", "\t\r\n \u3000", "\u200b\u200d\ufeff", "\x00\x01", "\u0301"])
def test_texts_of_nothing(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode(text).pieces == ["[CLS]", "[SEP]"]


def test_emoji_sequences_and_right_to_left_text() -> None:
    pair = make_pair(alphabet_vocab(), MODES[0])
    family = "\U0001f469\u200d\U0001f467 hi"
    assert pair[0].encode(family).pieces == ["[CLS]", "\U0001f469", "##\U0001f467", "h", "##i", "[SEP]"]
    assert pair[0].encode(family).offsets[1:3] == [(0, 1), (2, 3)]
    assert pair[0].encode("\u05d1\u05b0\u05bc\u05d0").offsets == [(0, 0), (0, 1), (3, 4), (0, 0)]


def test_words_are_split_at_blanks_and_ideographs(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("play\u653ejazz, playing!")
    assert encoding.word_ids == [-1, 0, 1, 2, 2, 3, 3, 3, -1]


def test_long_texts_and_long_words() -> None:
    ours, reference = make_pair(own_vocab(), MODES[0])
    assert_same(ours, reference, ("playing jazz \u00e9\u6771! " * 8000)[:100_000])
    assert_same(ours, reference, "a" * 100 + " " + "a" * 101 + " " + "a\u0301" * 100 + " " + "a" * 100_000)
    assert_same(ours, reference, "e" + "\u0301\u0323" * 50_000)
    assert ours.encode("a" * 101).pieces == ["[CLS]", "[UNK]", "[SEP]"]
    assert len(ours.encode("a" * 100)) == 102


def test_vocabulary(tokenizer: Tokenizer, tmp_path: Path) -> None:
    assert tokenizer.vocab == own_vocab()
    assert tokenizer.vocab_size == len(tokenizer) == len(own_vocab())
    assert [tokenizer.vocab[tokenizer.cls_id], tokenizer.vocab[tokenizer.sep_id]] == ["[CLS]", "[SEP]"]
    assert [tokenizer.vocab[tokenizer.pad_id], tokenizer.vocab[tokenizer.unknown_id]] == ["[PAD]", "[UNK]"]
    assert tokenizer.piece_id("jazz") == own_vocab().index("jazz")
    assert tokenizer.piece_id("no such piece") is None
    windows = tmp_path / "vocab.txt"
    windows.write_bytes("\r\n".join(own_vocab()).encode() + b"\r\n")
    assert Tokenizer.from_vocab_file(windows).vocab == own_vocab()
    assert Tokenizer("\n".join(own_vocab())).vocab == own_vocab()


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "", "b"], "line 6 is empty"),
        (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "a"], 'line 7 repeats line 5, "a"'),
        (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a\nb"], "piece 5 holds a newline"),
        (["[PAD]", "[UNK]", "[CLS]", "a"], r'wanted the sep_token "\[SEP\]"'),
        ([], "found none"),
    ],
)
def test_bad_vocabularies(pieces: list[str], message: str) -> None:
    with pytest.raises(SottovoceError, match=message):
        Tokenizer(pieces)


def test_other_types_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(TypeError):
        tokenizer.encode(7)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        Tokenizer.from_vocab_file("no/such/vocab.txt")


def test_eight_threads_encode_alike(tokenizer: Tokenizer) -> None:
    expected = [tokenizer.encode(line) for line in LINES]
    results: list[list[object]] = [[] for _ in range(8)]

    def work(result: list[object]) -> None:
        result.extend(tokenizer.encode(line) for line in LINES)

    threads = [threading.Thread(target=work, args=(result,)) for result in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == expected for result in results)
