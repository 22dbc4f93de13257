"""The single door to the tokenizer: words of an utterance to piece ids, by the runtime's own C++ WordPiece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sottovoce import Tokenizer
from sottovoce.export.importers.bert_tokenizer import read_tokenizer
from sottovoce.export.train.nlu.checkpoint import UNCASED_TOKENIZER


class WordTokenizer:
    """Piece ids of whitespace words, remembered per word: utterances repeat a small vocabulary over many epochs.

    BERT's basic tokenization splits at whitespace first, so words can be tokenized one by one.
    """

    def __init__(
        self, pieces: list[str], encode: Callable[[str], list[int]], settings: Mapping[str, Any] = UNCASED_TOKENIZER
    ) -> None:
        """`pieces` is the vocabulary in id order; `encode` maps a text to ids without [CLS] and [SEP].

        `settings` are those of a checkpoint: lowercase, cls_token and so on. Raises KeyError when a special piece is missing.
        """
        self.pieces, self.settings = pieces, settings
        index = {piece: number for number, piece in enumerate(pieces)}
        self.cls_id, self.sep_id, self.pad_id = (index[settings[f"{name}_token"]] for name in ("cls", "sep", "pad"))
        self._encode = encode
        self._memory: dict[str, list[int]] = {}

    def word_ids(self, word: str) -> list[int]:
        """Ids of the pieces of one whitespace word; empty for a word that is only control characters."""
        ids = self._memory.get(word)
        if ids is None:
            ids = self._memory[word] = self._encode(word)
        return ids


def word_tokenizer(pieces: list[str], settings: Mapping[str, Any]) -> WordTokenizer:
    """The tokenizer of a vocabulary and a checkpoint's settings. Raises SottovoceError when they do not fit together."""
    tokenizer = Tokenizer(pieces, **{name: value for name, value in settings.items() if name != "kind"})
    return WordTokenizer(pieces, lambda word: tokenizer.encode(word).ids[1:-1], settings)


def backbone_tokenizer(directory: Path) -> WordTokenizer:
    """The tokenizer of a Hugging Face directory, cased or not. Raises as `read_tokenizer`."""
    pieces, metadata = read_tokenizer(directory)
    return word_tokenizer(pieces, {key.removeprefix("tokenizer."): value for key, value in metadata.items()})


def read_vocab(path: Path) -> list[str]:
    """Pieces of a vocab.txt, one a line, in id order."""
    pieces = path.read_text(encoding="utf-8").split("\n")
    return pieces[:-1] if pieces[-1] == "" else pieces


def load_tokenizer(vocab: Path, *, lowercase: bool = True) -> WordTokenizer:
    """The tokenizer of a vocab.txt. Raises OSError when it cannot be read, SottovoceError when a special piece is missing."""
    return word_tokenizer(read_vocab(vocab), {**UNCASED_TOKENIZER, "lowercase": lowercase, "strip_accents": lowercase})
