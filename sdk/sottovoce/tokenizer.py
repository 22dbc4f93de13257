"""BERT tokenization: text to WordPiece ids with the characters that each piece came from."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from sottovoce import _native

__all__ = ["Encoding", "Tokenizer"]


class Encoding:
    """The pieces of one text; every list has one entry a piece, ``[CLS]`` first and ``[SEP]`` last.

    Attributes:
        ids: row of each piece in the vocabulary.
        pieces: the pieces; one that continues a word begins with ``##``.
        offsets: ``(start, end)`` characters of the original text; ``(0, 0)`` for ``[CLS]`` and ``[SEP]``.
        word_ids: which blank-separated word a piece belongs to, a CJK ideograph being one itself; -1 for ``[CLS]``, ``[SEP]``.
        invalid_utf8: True when ill-formed bytes or lone surrogates were dropped from the text.
    """

    # No dataclass: importing dataclasses would double the time that importing this package takes.
    __slots__ = ("ids", "invalid_utf8", "offsets", "pieces", "word_ids")

    def __init__(
        self,
        ids: list[int],
        pieces: list[str],
        offsets: list[tuple[int, int]],
        word_ids: list[int],
        invalid_utf8: bool = False,
    ) -> None:
        self.ids = ids
        self.pieces = pieces
        self.offsets = offsets
        self.word_ids = word_ids
        self.invalid_utf8 = invalid_utf8

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Encoding):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        return (
            f"Encoding(ids={self.ids}, pieces={self.pieces}, offsets={self.offsets}, word_ids={self.word_ids}, "
            f"invalid_utf8={self.invalid_utf8})"
        )


class Tokenizer:
    """BERT's basic tokenization and WordPiece, identical to Hugging Face ``tokenizers``. Any thread may use it.

    Source: Devlin et al., "BERT" (2019); for WordPiece, Wu et al., "Google's Neural Machine Translation System" (2016).
    """

    def __init__(
        self,
        vocab: Sequence[str] | str | _native.WordPieceTokenizer,
        *,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        chinese_chars: bool = True,
        unknown_token: str = "[UNK]",
        cls_token: str = "[CLS]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        max_word_characters: int = 100,
    ) -> None:
        """Makes a tokenizer from its vocabulary.

        Args:
            vocab: the pieces in order of their ids, or one string that joins them by newlines, or the native tokenizer
                of a loaded model (whose own options then hold).
            lowercase: lowercases the text ("uncased" checkpoints).
            strip_accents: drops accents (NFD without nonspacing marks); None does what ``lowercase`` does.
            chinese_chars: makes every CJK ideograph a word of its own.
            unknown_token: the piece for a word that the vocabulary cannot spell; the others are named likewise.
            max_word_characters: a longer word becomes one unknown piece.

        Raises:
            SottovoceError: a piece is empty or repeated, or a special token is not in the vocabulary.
        """
        if isinstance(vocab, _native.WordPieceTokenizer):
            self._native = vocab
            return
        self._native = _native.WordPieceTokenizer(
            vocab,
            lowercase=lowercase,
            strip_accents=lowercase if strip_accents is None else strip_accents,
            chinese_chars=chinese_chars,
            unknown_token=unknown_token,
            cls_token=cls_token,
            sep_token=sep_token,
            pad_token=pad_token,
            max_word_characters=max_word_characters,
        )

    @classmethod
    def from_vocab_file(
        cls, path: str | PathLike[str], *, lowercase: bool = True, strip_accents: bool | None = None
    ) -> Tokenizer:
        """Reads a ``vocab.txt``: one piece a line, UTF-8.

        Raises:
            OSError: the file cannot be read.
            SottovoceError: as the constructor does.
        """
        with open(path, "rb") as file:
            text = file.read().decode("utf-8").replace("\r\n", "\n")
        return cls(text.removesuffix("\n"), lowercase=lowercase, strip_accents=strip_accents)

    def encode(self, text: str | bytes) -> Encoding:
        """Tokenizes a text of any length; nothing is truncated, and ``[CLS]`` and ``[SEP]`` are added.

        Special-token strings in the text are ordinary text. Bytes are UTF-8; offsets then count one character for each
        ill-formed sequence.

        Raises:
            SottovoceError: the text has 2 GB or more.
        """
        return Encoding(*self._native.encode(text))

    def encode_words(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """The ids of the words joined by blanks, and each piece's index into ``words`` (-1: ``[CLS]``, ``[SEP]``)."""
        ids, word_ids = self._native.encode_words(list(words))
        return ids, word_ids

    def piece_id(self, piece: str) -> int | None:
        """The id of a piece; None when the vocabulary has no such piece."""
        found = self._native.find(piece)
        return None if found < 0 else found

    @property
    def vocab(self) -> list[str]:
        """The pieces in order of their ids (a new list at every call)."""
        return self._native.vocab

    @property
    def vocab_size(self) -> int:
        """How many pieces there are."""
        return len(self._native)

    @property
    def lowercase(self) -> bool:
        """Whether text is lowercased."""
        return self._native.lowercase

    @property
    def unknown_id(self) -> int:
        """The id for a word that the vocabulary cannot spell."""
        return self._native.unknown_id

    @property
    def cls_id(self) -> int:
        """The id that begins every encoding."""
        return self._native.cls_id

    @property
    def sep_id(self) -> int:
        """The id that ends every encoding."""
        return self._native.sep_id

    @property
    def pad_id(self) -> int:
        """The id that fills a batch."""
        return self._native.pad_id

    def __len__(self) -> int:
        return self.vocab_size

    def __repr__(self) -> str:
        return f"Tokenizer({self.vocab_size} pieces, lowercase={self.lowercase})"
