"""SentencePiece vocabulary of the recogniser; id 0 is the transducer's blank."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Literal

import sentencepiece

from sottovoce.errors import DataError

PieceModel = Literal["bpe", "unigram", "char"]
BLANK_PIECE = "<blk>"


def train_pieces(texts: Iterable[str], size: int, model: PieceModel = "bpe", *, byte_fallback: bool = False) -> bytes:
    """Return a trained SentencePiece model (its protobuf): `<blk>` is 0, `<unk>` 1, then `size` - 2 pieces of text.

    `char` takes as many pieces as there are characters, whatever `size` says. byte_fallback: the first 256 of the pieces
    are bytes, of which characters that `texts` lacks are made.
    """
    stream = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=stream,
        model_type=model,
        vocab_size=size,
        hard_vocab_limit=model != "char",
        character_coverage=1.0,
        byte_fallback=byte_fallback,
        normalization_rule_name="identity",
        pad_id=0,
        pad_piece=BLANK_PIECE,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return stream.getvalue()


class Pieces:
    """Text to ids and back."""

    def __init__(self, model: bytes) -> None:
        """Open a model made by `train_pieces`; DataError when its id 0 is not the blank."""
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        if self._processor.id_to_piece(0) != BLANK_PIECE:
            raise DataError(f"pieces: wanted {BLANK_PIECE} as id 0, found {self._processor.id_to_piece(0)!r}")

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    @property
    def pieces(self) -> list[str]:
        """All pieces by id; word starts carry U+2581."""
        return [self._processor.id_to_piece(i) for i in range(len(self))]

    @property
    def scores(self) -> list[float]:
        """Log probabilities of the pieces by id; of `unigram` models alone they mean something."""
        return [self._processor.get_score(i) for i in range(len(self))]

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without blank."""
        ids: list[int] = self._processor.encode(text)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids` with single spaces between words, as the runtime does."""
        return " ".join(self._processor.decode(list(ids)).split())
