"""Text to SentencePiece ids and back, beside the library of that name, for each kind of vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sottovoce import InvalidInputError, Recognizer, UnsupportedError, _native

sentencepiece = pytest.importorskip("sentencepiece")
torch = pytest.importorskip("torch")

from sottovoce.export.models.transducer import BlockConfig, PredictorConfig, Transducer, TransducerConfig  # noqa: E402
from sottovoce.export.provenance import Provenance  # noqa: E402
from sottovoce.export.spec_transducer import transducer_spec  # noqa: E402
from sottovoce.export.train.asr.pieces import Pieces, train_pieces  # noqa: E402
from sottovoce.export.train.asr.recognizer_base import load_recognizer_base  # noqa: E402
from sottovoce.export.writers.spec_to_gguf import write_spec  # noqa: E402

AUDIO = Path(__file__).parents[2] / "demos" / "audio"
TEXTS = [path.read_text().strip().lower() for path in sorted(AUDIO.glob("*.txt"))] * 20 + ["über café naïve"] * 5
VOCABULARIES: dict[str, tuple[Any, int, bool]] = {
    "char": ("char", 60, False),
    "bpe": ("bpe", 70, False),
    "bpe with bytes": ("bpe", 330, True),
    "unigram": ("unigram", 60, False),
    "unigram with bytes": ("unigram", 310, True),
}
# Letters of the vocabularies, others, spaces, word marks: all that pieces may meet.
TEXT = st.one_of(
    st.text(st.sampled_from("abcdefghilmnoprstuvwy  éü▁?\t\u200b愛𝄞"), max_size=60),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.sampled_from(" ".join(TEXTS[:6]).split()), max_size=12).map(" ".join),
)


@pytest.fixture(scope="module", params=list(VOCABULARIES))
def vocabulary(request: pytest.FixtureRequest) -> tuple[str, Pieces]:
    kind, size, byte_fallback = VOCABULARIES[request.param]
    return kind, Pieces(train_pieces(TEXTS, size, kind, byte_fallback=byte_fallback))


@settings(max_examples=150, deadline=None)
@given(text=TEXT)
def test_ids_are_the_librarys(vocabulary: tuple[str, Pieces], text: str) -> None:
    kind, pieces = vocabulary
    scores = pieces.scores if kind == "unigram" else []
    assert _native.sentencepiece_encode(kind, pieces.pieces, scores, text) == pieces.encode(text)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_text_is_the_librarys(vocabulary: tuple[str, Pieces], data: st.DataObject) -> None:
    pieces = vocabulary[1]
    ids = data.draw(st.lists(st.integers(1, len(pieces) - 1), max_size=30))
    text = _native.sentencepiece_decode(pieces.pieces, ids)
    assert " ".join(text.split()) == pieces.decode(ids)  # bytes may make any whitespace


def test_words_come_back(vocabulary: tuple[str, Pieces]) -> None:
    pieces = vocabulary[1]
    for text in TEXTS[:6]:
        assert _native.sentencepiece_decode(pieces.pieces, pieces.encode(text)) == text


def test_mistakes_are_named() -> None:
    with pytest.raises(UnsupportedError, match="wanted a model 'bpe', 'unigram' or 'char', found 'word'"):
        _native.sentencepiece_encode("word", ["<blk>"], [], "a")
    with pytest.raises(InvalidInputError, match="vocabulary of 2 pieces wanted as many scores, found 1"):
        _native.sentencepiece_encode("unigram", ["<blk>", "a"], [0.0], "a")


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_a_unigram_recognizer_goes_through_its_artifact(tmp_path: Path, byte_fallback: bool) -> None:
    pieces = Pieces(train_pieces(TEXTS, 310 if byte_fallback else 60, "unigram", byte_fallback=byte_fallback))
    layer = {"num_layers": 1, "model_dim": 8, "num_heads": 1, "head_size": 8, "ffn_size": 8, "left_context": (2,)}
    config = TransducerConfig(
        (BlockConfig(convs=("conv1d:5,4,8,1",), **layer),),  # type: ignore[arg-type]
        PredictorConfig(embedding_dim=8, **layer),  # type: ignore[arg-type]
        joiner_dim=8,
        vocab_size=len(pieces),
    )
    spec = transducer_spec(Transducer(config).eval(), pieces.pieces, "unigram", "kaldi80", pieces.scores)
    path = tmp_path / "unigram.gguf"
    write_spec(spec, path, Provenance("unigram", "Apache-2.0", "test", "0" * 64))
    recognizer = Recognizer.from_pretrained(path)
    again = load_recognizer_base(str(path)).pieces()
    assert again.scores == pieces.scores
    for text in [*TEXTS[:6], "zebra?", "über 愛"]:
        assert recognizer._native.encode_text(text) == pieces.encode(text) == again.encode(text)
