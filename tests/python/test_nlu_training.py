"""The torch reference of the joint BERT, its quantization, its training loop and its recipes, on tiny models."""

from __future__ import annotations

import dataclasses
import json
import random
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from sottovoce.errors import DataError
from sottovoce.export import packing
from sottovoce.export.compress.distillation import StudentWithFit, attention_loss, hidden_loss, soft_cross_entropy
from sottovoce.export.compress.fake_quant import float_product, quantize_activation, quantize_rows, quantized_product
from sottovoce.export.compress.projection import informative_channels, layer_map, shrink
from sottovoce.export.compress.ternary import quantize_rows_int8, ternarize_rows
from sottovoce.export.data import Utterance, write_bio_directory
from sottovoce.export.models.bert import BertConfig, JointBert, Quantization, Trace
from sottovoce.export.nlu_metrics import evaluate_nlu, intent_matches, slot_spans
from sottovoce.export.train.nlu.augmentation import Augmenter
from sottovoce.export.train.nlu.batches import IGNORED, Batch, Encoder, Labels, bucketed, collate
from sottovoce.export.train.nlu.calibrate import fit_temperature, fit_threshold
from sottovoce.export.train.nlu.checkpoint import Checkpoint, hugging_face_name, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.general import StudentShape
from sottovoce.export.train.nlu.loop import LoopSettings, Stage, learning_rate_factor, run_stage
from sottovoce.export.train.nlu.neighbours import nearest_words, read_word_vectors
from sottovoce.export.train.nlu.recipe import PRESETS, Recipe, command_line, distill, train_nlu
from sottovoce.export.train.nlu.student import distil_task
from sottovoce.export.train.nlu.task import load_task
from sottovoce.export.train.nlu.task_losses import supervised_losses
from sottovoce.export.train.nlu.ternarize import ternarize
from sottovoce.export.train.nlu.tokenization import WordTokenizer, load_tokenizer

TINY = BertConfig(
    num_layers=3, hidden_size=24, num_heads=2, head_size=12, ffn_size=40, vocab_size=60, num_intents=2, num_slots=5,
    max_positions=32,
)  # fmt: skip
WORDS = "play some jazz rock blues by miles davis nina simone in the kitchen wake me at seven eight nine please turn on music"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]


def utterances(count: int, seed: int) -> list[Utterance]:
    """A tiny language of two intents and two slots."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        if rng.random() < 0.5:
            artist = rng.choice([["miles", "davis"], ["nina", "simone"], ["miles"]])
            words = ["play", "some", rng.choice(["jazz", "rock", "blues"]), "by", *artist]
            tags = ["O", "O", "O", "O", "B-artist"] + ["I-artist"] * (len(artist) - 1)
            made.append(Utterance(words, tags, "PlayMusic"))
        else:
            words = ["wake", "me", "at", rng.choice(["seven", "eight", "nine"]), "please"]
            made.append(Utterance(words, ["O", "O", "O", "B-time", "O"], "SetAlarm"))
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A BIO directory of the tiny language."""
    for seed, (name, count) in enumerate((("train", 48), ("valid", 12), ("test", 12))):
        directory = tmp_path / "data" / name
        directory.mkdir(parents=True)
        rows = utterances(count, seed)
        (directory / "seq.in").write_text("".join(row.text + "\n" for row in rows))
        (directory / "seq.out").write_text("".join(" ".join(row.tags) + "\n" for row in rows))
        (directory / "label").write_text("".join(row.intent + "\n" for row in rows))
    return tmp_path / "data"


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    """A Hugging Face directory with a tiny BERT of random weights."""
    directory = tmp_path / "backbone"
    torch.manual_seed(5)
    config = dataclasses.replace(TINY, vocab_size=len(PIECES))
    checkpoint = Checkpoint(config, [], [], PIECES, dict(JointBert(config).state_dict()))
    save_checkpoint(checkpoint, directory)
    values = {
        "model_type": "bert", "num_hidden_layers": 3, "hidden_size": 24, "num_attention_heads": 2,
        "intermediate_size": 40, "vocab_size": len(PIECES), "max_position_embeddings": 32, "type_vocab_size": 2,
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(values))
    return directory


def tokenizer() -> WordTokenizer:
    """Whole words of PIECES."""
    index = {piece: number for number, piece in enumerate(PIECES)}
    return WordTokenizer(PIECES, lambda word: [index.get(word, 1)])


def some_batch(seed: int = 0, size: int = 6) -> Batch:
    rows = utterances(size, seed)
    encoder = Encoder(tokenizer(), Labels.collect(rows))
    return collate([encoder.utterance(row) for row in rows], 0)


class TestWeights:
    def test_twn_by_hand(self) -> None:
        # mean|w| = 1, so delta = 0.7: 0.5 and 0 fall below it, and alpha = (2 + 1.5) / 2.
        rows = ternarize_rows(torch.tensor([[2.0, -1.5, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]]))
        assert rows.codes.tolist() == [[1, -1, 0, 0], [0, 0, 0, 0]]
        assert rows.scale.tolist() == [1.75, 0.0]
        assert rows.scale.dtype == torch.float16

    def test_twn_equals_numpy(self) -> None:
        weight = torch.randn(17, 93, generator=torch.Generator().manual_seed(1))
        rows, w = ternarize_rows(weight), weight.numpy().astype(np.float64)
        for row in range(len(w)):
            above = np.abs(w[row]) > 0.7 * np.abs(w[row]).mean()
            assert np.array_equal(rows.codes[row].numpy(), np.sign(w[row]) * above)
            # half precision: 11 bits
            assert float(rows.scale[row]) == pytest.approx(np.abs(w[row])[above].mean(), rel=2**-11)

    def test_a_weight_at_the_threshold_gets_the_code_that_the_file_holds(self) -> None:
        weight = torch.randn(400, 384, generator=torch.Generator().manual_seed(3))
        others = weight[:, 1:].abs().double().sum(1)
        weight[:, 0] = (0.7 * others / (384 - 0.7)).float()  # |w| = 0.7 mean|w|, but for rounding
        weight[::2, 0] = torch.nextafter(weight[::2, 0], torch.tensor(9.0))
        rows = ternarize_rows(weight)
        codes, scale = packing.quantize_ternary(weight.numpy())
        np.testing.assert_array_equal(rows.codes.numpy(), codes)
        np.testing.assert_array_equal(rows.scale.numpy(), scale)
        assert int((codes[::2, 0] == 1).sum()) > 150 and int((codes[1::2, 0] == 0).sum()) > 150

    def test_ternarizing_twice_changes_nothing(self) -> None:
        once = ternarize_rows(torch.randn(5, 40, generator=torch.Generator().manual_seed(2)))
        twice = ternarize_rows(once.dequantize())
        assert torch.equal(once.codes, twice.codes) and torch.equal(once.scale, twice.scale)

    def test_int8_rows(self) -> None:
        weight = torch.randn(5, 40, generator=torch.Generator().manual_seed(2))
        weight[3] = 0.0
        rows = quantize_rows_int8(weight)
        assert rows.codes.abs().max() <= 127 and not rows.codes[3].any() and rows.scale[3] == 0
        step = rows.scale.float().unsqueeze(-1)
        assert ((rows.dequantize() - weight).abs() <= 0.5 * step + 2**-11 * weight.abs() + 1e-7).all()

    def test_unknown_kind(self) -> None:
        with pytest.raises(ValueError, match="wanted int8, ternary or binary, found 'f32'"):
            quantize_rows(torch.ones(1, 1), "f32")


class TestActivations:
    def test_rounding_half_to_even_and_zero_rows(self) -> None:
        x = torch.tensor([[[127.0, 0.5, 1.5, -2.5], [0.0, 0.0, 0.0, 0.0]]])
        values, scale = quantize_activation(x)
        assert values.tolist() == [[[127, 0, 2, -2], [0, 0, 0, 0]]]
        assert scale.tolist() == [[1.0, 0.0]]

    def test_clip_and_one_scale_a_tensor_without_padding(self) -> None:
        x = torch.tensor([[[4.0, 1.0], [0.5, 0.25], [9.0, 9.0]]])
        keep = torch.tensor([[1.0, 1.0, 0.0]])
        values, scale = quantize_activation(x, keep=keep, clip=2.5, granularity="tensor")
        assert scale[0, 0] == scale[0, 1] == torch.tensor(2.5) / 127
        assert values[0, :2].tolist() == [[127, 51], [25, 13]]

    @pytest.mark.parametrize("kind", ["ternary", "int8"])
    def test_exact_product_equals_numpy_and_the_float_path(self, kind: str) -> None:
        generator = torch.Generator().manual_seed(3)
        x, weight = torch.randn(2, 5, 1300, generator=generator), torch.randn(7, 1300, generator=generator)
        bias = torch.randn(7, generator=generator)
        q = quantize_activation(x)
        y = quantized_product(q, weight, bias, kind)  # type: ignore[arg-type]
        rows = quantize_rows(weight, kind)  # type: ignore[arg-type]
        exact = q.values.numpy().astype(np.int64) @ rows.codes.numpy().astype(np.int64).T
        scale = q.scale.numpy()[..., None] * rows.scale.numpy().astype(np.float32)
        assert np.array_equal(y.numpy(), exact.astype(np.float32) * scale + bias.numpy())
        loose = float_product(q, weight, bias, kind)  # type: ignore[arg-type]
        assert torch.allclose(y, loose, rtol=1e-4, atol=1e-3)

    def test_gradients_pass_straight_through(self) -> None:
        x = torch.randn(1, 3, 16, requires_grad=True)
        weight = torch.randn(4, 16, requires_grad=True)
        q = quantize_activation(x)
        quantized_product(q, weight, None, "ternary").sum().backward()
        dense = (q.values * q.scale.unsqueeze(-1)).detach()
        assert x.grad is not None and weight.grad is not None
        assert torch.allclose(x.grad[0, 0], ternarize_rows(weight).dequantize().sum(0), atol=1e-5)
        assert torch.allclose(weight.grad[0], dense.sum((0, 1)), atol=1e-5)


class TestNetwork:
    def test_padding_does_not_matter(self) -> None:
        for granularity in ("token", "tensor"):
            config = dataclasses.replace(
                TINY,
                activation_granularity=granularity,  # type: ignore[arg-type]
                pooler_activation="tanh_relu",
                quantization=Quantization.ternary(),
            )
            model = JointBert(config).eval()
            ids, longer = torch.tensor([[2, 7, 9, 3]]), torch.tensor([[2, 7, 9, 3, 0, 0]])
            alone = model(ids, exact=True)
            padded = model(longer, torch.tensor([[1.0, 1, 1, 1, 0, 0]]), exact=True)
            assert torch.allclose(alone.intent_logits, padded.intent_logits, atol=1e-5)
            assert torch.allclose(alone.slot_logits, padded.slot_logits[:, :4], atol=1e-5)

    def test_trace_is_complete_and_consistent(self) -> None:
        config = dataclasses.replace(TINY, quantization=Quantization.ternary(), pooler_activation="tanh")
        trace: Trace = {}
        model = JointBert(config).eval()
        output = model(torch.tensor([[2, 7, 9, 11, 3]]), exact=True, trace=trace)
        part = model.get_parameter("layer.1.ffn.up.weight")
        q = trace["layer.1.ffn.up.input.values"], trace["layer.1.ffn.up.input.scale"]
        rows = ternarize_rows(part)
        again = (q[0] @ rows.codes.float().t()) * (q[1].unsqueeze(-1) * rows.scale.float())
        assert torch.equal(trace["layer.1.ffn.up"], again + model.get_parameter("layer.1.ffn.up.bias"))
        assert torch.allclose(trace["layer.2.attention.softmax"].sum(-1), torch.ones(1, 2, 5))
        assert torch.equal(trace["slot"], output.slot_logits)
        quantizers = [name for name in trace if name.endswith(".values")]
        assert len(quantizers) == 3 * 4 + 3  # attention in, attention out, up, down; pooler, intent, slot

    def test_untouched_word_rows_keep_their_values(self) -> None:
        model = JointBert(TINY)
        before = model.embeddings.word.weight.detach().clone()
        batch = some_batch()

        def losses(each: Batch) -> dict[str, torch.Tensor]:
            return supervised_losses(model(each.ids, each.keep), each)

        stage = Stage("x", Path(), model, model, LoopSettings(1, 1e-2), lambda _: [batch], losses)
        from sottovoce.export.train.nlu.loop import _optimizers

        losses(batch)["loss"].backward()
        for optimizer in _optimizers(stage):
            optimizer.step()
        changed = (model.embeddings.word.weight.detach() != before).any(1).nonzero().flatten().tolist()
        seen = set(batch.ids.flatten().tolist())
        assert seen - {0} <= set(changed) <= seen  # padding is attended by nobody


class TestCheckpoint:
    def test_round_trip(self, tmp_path: Path) -> None:
        config = dataclasses.replace(TINY, pooler_activation="tanh", quantization=Quantization.ternary())
        weights = dict(JointBert(config).state_dict())
        saved = Checkpoint(config, ["a", "b"], ["O", "B-x", "I-x", "B-y", "I-y"], PIECES, weights, name="tiny")
        save_checkpoint(saved, tmp_path)
        loaded = load_checkpoint(tmp_path)
        assert loaded.config == config and loaded.pieces == PIECES and loaded.slot_labels == saved.slot_labels
        assert all(torch.equal(loaded.weights[name], tensor) for name, tensor in weights.items())
        loaded.build()

    def test_names_and_refusals(self, tmp_path: Path) -> None:
        assert (
            hugging_face_name("layer.3.attention.norm.bias") == "bert.encoder.layer.3.attention.output.LayerNorm.bias"
        )
        with pytest.raises(ValueError, match="wanted a name of the joint BERT"):
            hugging_face_name("decoder.weight")
        (tmp_path / "config.json").write_text('{"format": "other"}')
        with pytest.raises(ValueError, match="found 'other'"):
            load_checkpoint(tmp_path)


class TestData:
    def test_labels_sit_on_first_pieces(self) -> None:
        words = WordTokenizer(PIECES, lambda word: [5, 6] if word == "jazz" else [] if word == "\u200b" else [7])
        rows = [Utterance(["play", "jazz", "\u200b", "now"], ["O", "B-x", "O", "B-y"], "a#b")]
        labels = Labels.collect(rows)
        assert labels.intents == ["a", "b"] and labels.tags == ["O", "B-x", "I-x", "B-y", "I-y"]
        example = Encoder(words, labels).utterance(rows[0])
        assert example.ids == [2, 7, 5, 6, 7, 3]
        assert example.tags == [IGNORED, 0, 1, IGNORED, 3, IGNORED]
        assert example.intent == [0.5, 0.5]

    def test_batches_lose_nothing(self) -> None:
        rows = utterances(50, 1)
        encoder = Encoder(tokenizer(), Labels.collect(rows))
        groups = bucketed([encoder.utterance(row) for row in rows], 8, random.Random(0), pool=2)
        assert sum(len(group) for group in groups) == 50
        assert sorted(map(len, groups))[-6:] == [8] * 6

    def test_slot_swap_keeps_labels_right(self) -> None:
        rows = utterances(60, 2)
        augmenter = Augmenter.collect(rows, {"some": ["the"]})
        rng, changed = random.Random(0), 0
        for row in rows:
            varied = augmenter.vary(row, rng)
            changed += varied != row
            assert len(varied.words) == len(varied.tags) and varied.intent == row.intent
            for name, first, last in slot_spans(varied.tags):
                assert tuple(varied.words[first : last + 1]) in augmenter.values[name]
        assert changed > 10

    def test_neighbours(self, tmp_path: Path) -> None:
        path = tmp_path / "vectors.txt"
        path.write_text("jazz 1 0\nblues 0.9 0.1\n, 1 0\nseven 0 1\n")
        assert nearest_words(["jazz", "seven", "unknown"], *read_word_vectors(path)) == {"jazz": ["blues"]}
        for content, message in (
            (b"jazz 1 0\nblues 0.9\n", "line 2: wanted 2 numbers, found 1"),
            (b"jazz 1 0\nblues 0.9 x\n", "line 2: could not convert"),
            (b"jazz\n", "line 1: wanted some numbers"),
            (b"", "it is empty"),
            (b"\xff 1 0\n", "utf-8"),
        ):
            path.write_bytes(content)
            with pytest.raises(DataError, match=message):
                read_word_vectors(path)


class TestMetrics:
    def test_known_case(self) -> None:
        gold = [("a#b", ["B-x", "I-x", "O"]), ("c", ["O", "B-y", "O"]), ("c", ["O"])]
        found = [("b", ["B-x", "I-x", "O"]), ("a", ["B-y", "B-y", "O"]), ("c", ["O"])]
        metrics = evaluate_nlu(gold, found)
        assert metrics.intent_accuracy == pytest.approx(200 / 3)
        assert metrics.slot_precision == pytest.approx(200 / 3) and metrics.slot_recall == 100
        assert metrics.slot_f1 == pytest.approx(80)
        assert metrics.exact_match == pytest.approx(200 / 3)

    def test_intents_of_several_parts(self) -> None:
        assert intent_matches("flight#airfare", "airfare") and intent_matches("airfare", "flight#airfare")
        assert not intent_matches("flight", "flight_time")

    def test_agrees_with_seqeval(self) -> None:
        metrics = pytest.importorskip("seqeval.metrics")
        rng = random.Random(3)
        tags = ["O", "O", "B-x", "I-x", "B-y", "I-y"]
        gold = [[rng.choice(tags) for _ in range(rng.randint(1, 12))] for _ in range(200)]
        found = [[tag if rng.random() < 0.7 else rng.choice(tags) for tag in row] for row in gold]
        ours = evaluate_nlu([("", row) for row in gold], [("", row) for row in found])
        assert ours.slot_f1 == pytest.approx(100 * metrics.f1_score(gold, found))

    def test_refuses_unequal_lengths(self) -> None:
        with pytest.raises(ValueError, match="wanted 2 tags, found 1"):
            evaluate_nlu([("a", ["O", "O"])], [("a", ["O"])])


class TestLoop:
    @staticmethod
    def stage(directory: Path) -> Stage[Batch]:
        torch.manual_seed(11)
        model = JointBert(TINY, dropout=0.1)

        def losses(batch: Batch) -> dict[str, torch.Tensor]:
            return supervised_losses(model(batch.ids, batch.keep), batch)

        return Stage(
            name="tiny",
            directory=directory,
            model=model,
            trained=model,
            settings=LoopSettings(epochs=2, learning_rate=3e-3, seed=4, log_steps=1),
            make_batches=lambda epoch: [some_batch(10 * epoch + index) for index in range(5)],
            losses=losses,
        )

    @staticmethod
    def curve(directory: Path) -> list[tuple[int, float]]:
        records = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        return [(record["step"], record["loss"]) for record in records if "loss" in record]

    def test_resumed_run_repeats_the_uninterrupted_one(self, tmp_path: Path) -> None:
        whole = run_stage(self.stage(tmp_path / "whole"))
        assert run_stage(self.stage(tmp_path / "killed"), max_steps=3) is None
        assert run_stage(self.stage(tmp_path / "killed"), max_steps=7) is None
        resumed = run_stage(self.stage(tmp_path / "killed"))
        assert whole is not None and resumed is not None
        assert self.curve(tmp_path / "whole") == self.curve(tmp_path / "killed")
        assert len(self.curve(tmp_path / "whole")) == 10
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)

    def test_learning_rate(self) -> None:
        factors = [learning_rate_factor(progress, 0.1) for progress in (0.0, 0.05, 0.1, 0.55, 1.0)]
        assert factors == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])


class TestDistillation:
    def test_projection_of_the_same_shape_is_the_teacher(self) -> None:
        torch.manual_seed(1)
        teacher = JointBert(TINY).eval()
        sentences = [[2, *(random.Random(seed).choices(range(5, 60), k=9)), 3] for seed in range(60)]
        shrunk = shrink(teacher, TINY, sentences)
        student = JointBert(TINY).eval()
        student.load_state_dict(shrunk.weights)
        ids = torch.tensor([sentences[0]])
        assert torch.allclose(student(ids).slot_logits, teacher(ids).slot_logits, atol=1e-4)

    def test_projection_beats_chance(self) -> None:
        torch.manual_seed(1)
        teacher = JointBert(TINY).eval()
        sentences = [[2, *(random.Random(seed).choices(range(5, 60), k=9)), 3] for seed in range(60)]
        small = StudentShape(2, 20, 8, 30).apply(TINY)
        shrunk = shrink(teacher, small, sentences)
        projected, chance = JointBert(small).eval(), JointBert(small).eval()
        projected.load_state_dict(shrunk.weights)
        keep, ids = torch.ones(60, 11), torch.tensor(sentences)
        wanted = teacher(ids, keep, want_hidden=True, want_scores=True)
        errors = []
        for model in (projected, chance):
            student = StudentWithFit(model, 24, layer_map(2, 3), shrunk.basis)
            errors.append(hidden_loss(student, model(ids, keep, want_hidden=True), wanted, keep).item())
        assert errors[0] < 0.5 * errors[1]

    def test_channels_that_others_predict_go_first(self) -> None:
        x = torch.randn(500, 4, dtype=torch.float64)
        x[:, 2] = x[:, 0] + x[:, 1]
        kept = informative_channels(x.t() @ x / 500, 3).tolist()
        assert len(kept) == 3 and 3 in kept
        assert layer_map(4, 6) == [0, 2, 3, 5] and layer_map(6, 6) == list(range(6))

    def test_losses_vanish_on_the_teacher_itself(self) -> None:
        model = JointBert(TINY).eval()
        batch = some_batch()
        output = model(batch.ids, batch.keep, want_hidden=True, want_scores=True)
        student = StudentWithFit(model, 24, range(3))
        assert hidden_loss(student, output, output, batch.keep).item() == 0
        assert attention_loss(student, output, output, batch.keep).item() == 0
        assert soft_cross_entropy(output.intent_logits, output.intent_logits).item() == pytest.approx(0, abs=1e-6)

    def test_student_and_ternary_learn(self, data: Path, tmp_path: Path, backbone: Path) -> None:
        task = load_task(data, load_tokenizer(backbone / "vocab.txt"))
        task.batch_size = 8
        torch.manual_seed(2)
        config = dataclasses.replace(TINY, vocab_size=len(PIECES), num_intents=2, num_slots=len(task.labels.tags))
        teacher = Checkpoint(
            config, task.labels.intents, task.labels.tags, PIECES, dict(JointBert(config).state_dict())
        )
        settings = LoopSettings(epochs=6, learning_rate=5e-3, warmup=0.05, log_steps=1)
        shape = StudentShape(2, 20, 8, 30)
        student = distil_task(task, teacher, shape, tmp_path / "student", settings, intermediate_epochs=1)
        curve = [json.loads(line) for line in (tmp_path / "student" / "metrics.jsonl").read_text().splitlines()]
        hidden = [record["hidden"] for record in curve if "hidden" in record]
        assert np.mean(hidden[-6:]) < 0.9 * np.mean(hidden[:6])  # whole epochs: short and long batches differ
        quantized = ternarize(task, student, tmp_path / "ternary", settings)
        assert quantized.config.quantization == Quantization.ternary()
        curve = [json.loads(line) for line in (tmp_path / "ternary" / "metrics.jsonl").read_text().splitlines()]
        losses = [record["loss"] for record in curve if "loss" in record]
        assert np.mean(losses[-6:]) < np.mean(losses[:6])


class TestCalibration:
    def test_temperature_of_overconfident_logits(self) -> None:
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(4000, 3, generator=generator)
        drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator).flatten()
        wanted = torch.nn.functional.one_hot(drawn, 3).float()
        assert fit_temperature(logits * 2, wanted) == pytest.approx(2.0, rel=0.1)

    def test_threshold(self) -> None:
        inside = torch.linspace(0.8, 1.0, 200)
        assert 0.3 < fit_threshold(inside, torch.linspace(0.1, 0.3, 50)) <= 0.8
        assert fit_threshold(inside, torch.empty(0)) == pytest.approx(0.802, abs=1e-3)


def test_whole_recipe(data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tinybert-4", StudentShape(2, 20, 8, 30))
    outliers = tmp_path / "outliers.txt"
    outliers.write_text("turn on the kitchen\nplease me in the nine\n" * 20)
    recipe = Recipe(
        data=data, out=tmp_path / "out", name="tiny", backbone=backbone, outliers=(outliers,), text=(outliers,),
        teacher_epochs=2, student_epochs=2, ternary_epochs=1, general_sentences=16, batch_size=16,
    )  # fmt: skip
    made = train_nlu(recipe)
    assert made.config.quantization == Quantization.ternary() and made.config.hidden_size == 20
    assert 0 <= made.calibration["out_of_scope_threshold"] <= 1
    assert made.metrics["test"]["utterances"] == 12
    assert made.metrics["full_precision"]["test"]["utterances"] == 12
    before = (tmp_path / "out" / "ternary" / "config.json").stat().st_mtime_ns
    again = train_nlu(recipe)  # every stage is finished: nothing runs
    assert (tmp_path / "out" / "ternary" / "config.json").stat().st_mtime_ns == before
    assert again.calibration == made.calibration
    student = distill(recipe)  # what it needs is there
    assert student.config.quantization == Quantization() and student.metrics["test"]["utterances"] == 12
    assert "--batch-size 16" in shlex.join(command_line(recipe)) and "--bfloat16" not in command_line(recipe)
    assert command_line(dataclasses.replace(recipe, bfloat16=True))[-1] == "--bfloat16"


def test_writer_of_the_reader_round_trips(tmp_path: Path) -> None:
    rows = utterances(5, 0)
    write_bio_directory({"train": rows, "valid": rows}, tmp_path / "bio")
    task = load_task(tmp_path / "bio", tokenizer())
    assert task.splits["train"] == rows
