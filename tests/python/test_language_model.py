"""The language model beside a recognizer: trained on text, stored in its artifact, used by beam search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tone_speech import SENTENCES, TINY, say

from sottovoce import Recognizer
from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError
from sottovoce.export import cli
from sottovoce.export.models.language_model import LanguageModel, LanguageModelConfig
from sottovoce.export.models.transducer import BLANK, PredictorConfig, Transducer
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.export import export_checkpoint
from sottovoce.export.train.asr.language_model import (
    LanguageModelCheckpoint,
    LanguageModelSettings,
    batches_of_epoch,
    encode_texts,
    train_language_model,
)
from sottovoce.export.train.asr.pieces import Pieces, train_pieces
from sottovoce.export.writers import spec_to_gguf
from sottovoce.export.writers.gguf import write_gguf

TEXTS = [" ".join(("abc", "cab", "bca")[(n + k) % 3] for k in range(1 + n % 4)) for n in range(200)]
SMALL = LanguageModelConfig(PredictorConfig(16, 24, 2, 2, 12, 40, (3, 5)))
QUICK = LanguageModelSettings(epochs=6, batch_pieces=256, learning_rate=1e-2, warmup_steps=10, ema_decay=0.9)


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return Pieces(train_pieces([*TEXTS, *SENTENCES], 16, "char"))


@pytest.fixture(scope="module")
def trained(pieces: Pieces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    train_language_model(TEXTS, pieces, folder, QUICK, SMALL)
    return folder / "checkpoint.pt"


@pytest.fixture
def recognizer(pieces: Pieces, tmp_path: Path) -> Path:
    """A checkpoint with random weights."""
    torch.manual_seed(3)
    model = Transducer(replace(TINY, vocab_size=len(pieces)))
    path = tmp_path / "recognizer.pt"
    Checkpoint(model.config, model.state_dict(), pieces.model, "char", "kaldi80", {}, {}).save(path)
    return path


def test_it_learns_which_piece_comes_next(trained: Path, pieces: Pieces) -> None:
    checkpoint = LanguageModelCheckpoint.load(trained)
    assert 1.0 < checkpoint.perplexity < 2.2  # 6 pieces; only where a word begins or a text ends is anything open
    logits = checkpoint.model()(torch.tensor([pieces.encode("abc cab bc")]))
    assert pieces.pieces[int(logits[0, -1].argmax())] == "a"
    assert (logits[..., BLANK] == -float("inf")).all()


def test_killed_training_goes_on_with_the_same_weights(pieces: Pieces, tmp_path: Path) -> None:
    whole = train_language_model(TEXTS, pieces, tmp_path / "whole", replace(QUICK, epochs=2), SMALL)

    class Killed(Exception):
        pass

    def kill(share: float, loss: float) -> None:
        if share > 0.5:
            raise Killed

    always = replace(QUICK, epochs=2, checkpoint_minutes=0.0)
    with pytest.raises(Killed):
        train_language_model(TEXTS, pieces, tmp_path / "cut", always, SMALL, kill)
    again = train_language_model(TEXTS, pieces, tmp_path / "cut", always, SMALL)
    for name, tensor in whole.weights.items():
        torch.testing.assert_close(again.weights[name], tensor)
    steps = (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    assert len(steps) == len((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines())


def test_every_sentence_is_in_one_batch_of_an_epoch() -> None:
    lengths = np.random.default_rng(1).integers(1, 90, 500)
    batches = batches_of_epoch(lengths, 3, replace(QUICK, batch_pieces=300))
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(500))
    assert max(len(batch) * int(lengths[batch].max()) for batch in batches if len(batch) > 1) <= 300


@pytest.mark.parametrize(("weights", "tolerance"), [("f32", 1e-4), ("int8", 0.05)])
def test_the_runtime_scores_as_the_torch_reference(
    weights: str, tolerance: float, trained: Path, recognizer: Path, pieces: Pieces, tmp_path: Path
) -> None:
    path = tmp_path / "fused.gguf"
    fusion = {"scale": 0.5, "internal": 0.4, "bonus": 0.1}
    export_checkpoint(recognizer, path, weights=weights, name="tones", language_model=trained, fusion_weights=fusion)
    opened = Recognizer.from_pretrained(path)
    language, transducer = LanguageModelCheckpoint.load(trained).model(), Checkpoint.load(recognizer).model()
    ids = pieces.encode("abc cab bca abc")
    for count in (0, 1, 7, len(ids)):
        some = torch.tensor([ids[:count]], dtype=torch.long)
        with torch.no_grad():
            silent = transducer.join(torch.zeros(1, 1, TINY.blocks[-1].model_dim), some)[0, 0, -1]
            expected = language(some)[0, -1].log_softmax(-1)[1:] - 0.4 * silent[1:].log_softmax(-1)
        found = opened._native.language_scores(ids[:count])
        assert found[BLANK] == 0.0
        np.testing.assert_allclose(found[1:], expected.numpy(), atol=tolerance)


def test_beam_search_heeds_it_and_greedy_search_does_not(trained: Path, recognizer: Path, tmp_path: Path) -> None:
    plain, fused = tmp_path / "plain.gguf", tmp_path / "fused.gguf"
    export_checkpoint(recognizer, plain, weights="int8", name="tones")
    export_checkpoint(recognizer, fused, weights="int8", name="tones", language_model=trained)
    without, opened = Recognizer.from_pretrained(plain), Recognizer.from_pretrained(fused)
    audio = say("abc cab", 1)

    def heard(model: Recognizer, **options: Any) -> list[tuple[int, int, float]]:
        stream = model.stream(**options)
        stream.push(audio)
        stream.finish()
        return stream.tokens

    assert heard(opened) == heard(without)
    phrases = {"beam": 1, "biasing": ["abc"]}
    assert heard(opened, **phrases) == heard(without, **phrases)
    assert heard(opened, beam=4, lm_scale=0.0) == heard(without, beam=4)
    assert heard(opened, beam=4, lm_scale=0.0, lm_bonus=3.0) == heard(without, beam=4)  # no bonus without its scores
    assert len(heard(opened, beam=4, lm_bonus=4.0)) > len(heard(opened, beam=4, lm_bonus=-4.0))
    stream, other = opened.stream(beam=4), without.stream(beam=4)
    assert 0 < stream.state_bytes - other.state_bytes < 4 * 300_000
    together = [opened.stream(beam=4), opened.stream(beam=2), opened.stream(beam=3, lm_scale=0.0), opened.stream()]
    opened.push_batch(together, [audio] * 4, finish=True)
    for number, options in enumerate(({"beam": 4}, {"beam": 2}, {"beam": 3, "lm_scale": 0.0}, {})):
        assert together[number].tokens == heard(opened, **options)


def test_commands_from_text_to_an_artifact(
    recognizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(TEXTS), encoding="utf-8")
    out = tmp_path / "lm"
    command = ["train", "lm", "--for", str(recognizer), "--text", str(text), "--out", str(out), "--epochs", "1"]
    assert cli.main([*command, "--width", "32", "--layers", "1", "--ffn-size", "16"]) == 0
    assert "perplexity" in capsys.readouterr().out
    artifact = tmp_path / "fused.gguf"
    export = ["export-asr", str(recognizer), "-o", str(artifact), "--name", "tones"]
    assert cli.main([*export, "--language-model", str(out / "checkpoint.pt"), "--lm-scale", "0.3"]) == 0
    assert Recognizer.from_pretrained(artifact).default_beam == 1
    assert cli.main([*export, "--language-model", str(out / "checkpoint.pt"), "--beam", "3"]) == 0
    assert Recognizer.from_pretrained(artifact).default_beam == 3
    capsys.readouterr()
    assert cli.main([*export, "--beam", "65"]) != 0
    assert "beam: wanted 1 to 64, found 65" in capsys.readouterr().err
    text.write_bytes(b"abc\xff")
    assert cli.main(command) != 0
    assert "wanted UTF-8 text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("search.beam", 0, "search.beam: wanted 1 to 64, found 0"),
        ("search.beam", 65, "search.beam: wanted 1 to 64, found 65"),
        ("language_model.scale", 100.5, "language_model.scale: wanted -100 to 100"),
        ("language_model.internal", 1e9, "language_model.internal: wanted -100 to 100"),
        ("language_model.bonus", None, "language_model.bonus"),
        ("language_model.num_heads", 0, "language_model.num_heads: wanted 1 to 256, found 0"),
        ("language_model.right_context", [1, 1], "language_model.right_context"),
        ("language_model.embedding_dim", None, "language_model"),  # then nobody wants its tensors
    ],
)
def test_artifacts_with_an_impossible_language_model_are_refused(
    key: str, value: Any, message: str, trained: Path, recognizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(path: Path, architecture: str, metadata: dict[str, Any], *rest: Any) -> int:
        kept = {name: entry for name, entry in metadata.items() if name != key}
        return write_gguf(path, architecture, kept if value is None else kept | {key: value}, *rest)

    monkeypatch.setattr(spec_to_gguf, "write_gguf", spoiled)  # behind what checks a model on its way to the file
    bad = tmp_path / "bad.gguf"
    export_checkpoint(recognizer, bad, weights="int8", name="tones", language_model=trained, beam=4)
    with pytest.raises(DataError, match=message):
        Recognizer.from_pretrained(bad)


def test_mistakes_are_named(trained: Path, recognizer: Path, pieces: Pieces, tmp_path: Path) -> None:
    other = Pieces(train_pieces(["xyz zyx"], 16, "char"))
    with pytest.raises(InvalidInputError, match="at least 20 sentences in the recognizer's letters, found 0"):
        encode_texts(TEXTS, other)
    with pytest.raises(DataError, match="another vocabulary"):
        train_language_model(["xyz zyx"] * 40, other, trained.parent, QUICK, SMALL)
    with pytest.raises(ModelNotFoundError, match=r"none\.pt: no such file"):
        LanguageModelCheckpoint.load(tmp_path / "none.pt")
    with pytest.raises(DataError, match="wanted format sottovoce-language-model-1"):
        LanguageModelCheckpoint.load(recognizer)
    torch.manual_seed(1)
    strange = LanguageModelCheckpoint(
        replace(SMALL, vocab_size=len(other)),
        LanguageModel(replace(SMALL, vocab_size=len(other))).state_dict(),
        other.pieces,
        9.0,
        {},
    )
    strange.save(tmp_path / "strange.pt")
    with pytest.raises(DataError, match="of the recognizer's vocabulary"):
        export_checkpoint(
            recognizer, tmp_path / "x.gguf", weights="int8", name="x", language_model=tmp_path / "strange.pt"
        )
    assert not (tmp_path / "x.gguf").exists()
    path = tmp_path / "plain.gguf"
    export_checkpoint(recognizer, path, weights="int8", name="tones")
    with pytest.raises(InvalidInputError, match="language model scale: wanted -100 to 100"):
        Recognizer.from_pretrained(path).stream(beam=2, lm_scale=float("nan"))
    with pytest.raises(InvalidInputError, match="no language model"):
        Recognizer.from_pretrained(path)._native.language_scores([1])


def test_the_bundled_recognizer_searches_with_its_language_model_unless_told() -> None:
    recognizer = Recognizer.from_pretrained("en-small")
    greedy, wide = recognizer.stream(beam=1), recognizer.stream()
    assert recognizer.default_beam > 1
    assert greedy.state_bytes < 500_000
    assert 0 < (wide.state_bytes - greedy.state_bytes) / (recognizer.default_beam - 1) < 300_000

    def score(text: str) -> float:
        ids = recognizer._native.encode_text(text)
        return sum(recognizer._native.language_scores(ids[:n])[symbol] for n, symbol in enumerate(ids))

    assert score("he went to the door") > score("door the to went he") + 3.0
    assert score("the king of france") > score("tha king ov franse") + 3.0
