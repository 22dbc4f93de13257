"""The single door to the tokenizer: words of an utterance to piece ids, by the runtime's own C++ WordPiece."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sottovoce import Tokenizer


class WordTokenizer:
    """Piece ids of whitespace words, remembered per word: utterances repeat a small vocabulary over many epochs.

    BERT's basic tokenization splits at whitespace first, so words can be tokenized one by one.
    """

    def __init__(self, pieces: list[str], encode: Callable[[str], list[int]]) -> None:
        """`pieces` is the vocabulary in id order; `encode` maps a text to ids without [CLS] and [SEP]."""
        self.pieces = pieces
        index = {piece: number for number, piece in enumerate(pieces)}
        self.cls_id, self.sep_id, self.pad_id = index["[CLS]"], index["[SEP]"], index["[PAD]"]
        self._encode = encode
        self._memory: dict[str, list[int]] = {}

    def word_ids(self, word: str) -> list[int]:
        """Ids of the pieces of one whitespace word; empty for a word that is only control characters."""
        ids = self._memory.get(word)
        if ids is None:
            ids = self._memory[word] = self._encode(word)
        return ids


def read_vocab(path: Path) -> list[str]:
    """Pieces of a vocab.txt, one a line, in id order."""
    pieces = path.read_text(encoding="utf-8").split("\n")
    return pieces[:-1] if pieces[-1] == "" else pieces


def load_tokenizer(vocab: Path, *, lowercase: bool = True) -> WordTokenizer:
    """The tokenizer of a vocab.txt. Raises OSError when it cannot be read, KeyError when a special piece is missing."""
    pieces = read_vocab(vocab)
    tokenizer = Tokenizer(pieces, lowercase=lowercase, strip_accents=lowercase)
    return WordTokenizer(pieces, lambda word: tokenizer.encode(word).ids[1:-1])
