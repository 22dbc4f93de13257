"""One-bit weights: BWN, ternary weight splitting, importance and width, and the BinaryBERT recipe on a tiny model."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import sottovoce
from sottovoce.errors import InvalidInputError
from sottovoce.export import importers
from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.compress.binary import binarize_rows, binary_codes, split_ternary
from sottovoce.export.compress.fake_quant import quantize_activation, quantized_product
from sottovoce.export.compress.ternary import ternary_codes
from sottovoce.export.compress.width import Importance, kept_layers, measure_importance, narrow, narrowed_config, rewire
from sottovoce.export.data import Utterance, load_dataset
from sottovoce.export.models.bert import BertConfig, JointBert, Quantization
from sottovoce.export.nlu_evaluation import joint_bert, reference_decisions, runtime_decisions
from sottovoce.export.spec_bert import WEIGHTS_BY_NAME
from sottovoce.export.train.nlu.batches import Batch, Labels
from sottovoce.export.train.nlu.binarize import BinarySettings, four_bit_inputs, split, train_binary
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.loop import LoopSettings
from sottovoce.export.train.nlu.student_task import Start
from sottovoce.export.writers import write_spec

TINY = BertConfig(
    num_layers=4, hidden_size=24, num_heads=4, head_size=6, ffn_size=40, vocab_size=20, num_intents=2, num_slots=3,
    max_positions=32,
)  # fmt: skip
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"play some jazz rock by miles nina wake me at seven eight please".split(),
]


def dense(codes_and_scale: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    codes, scale = codes_and_scale
    return codes * scale.unsqueeze(-1)


class TestRows:
    def test_bwn_by_hand(self) -> None:
        rows = binarize_rows(torch.tensor([[2.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]))
        assert rows.codes.tolist() == [[1, -1, 1, 1], [1, 1, 1, 1]]
        assert rows.scale.tolist() == [1.0, 0.0]

    def test_the_halves_of_a_ternary_row_add_up_to_it(self) -> None:
        weight = torch.randn(40, 93, generator=torch.Generator().manual_seed(3))
        weight[0], weight[1] = 0.0, 1.0  # all codes zero; none is
        first, second = split_ternary(weight)
        assert torch.allclose(first + second, weight, atol=1e-6)
        wanted = dense(ternary_codes(weight))
        assert torch.allclose(dense(binary_codes(first)) + dense(binary_codes(second)), wanted, atol=1e-6)

    def test_the_product_is_exact(self) -> None:
        generator = torch.Generator().manual_seed(4)
        x, weight = torch.randn(2, 5, 93, generator=generator), torch.randn(7, 93, generator=generator)
        q = quantize_activation(x)
        rows = binarize_rows(weight)
        exact = (q.values.double() @ rows.codes.double().t()) * (q.scale.unsqueeze(-1) * rows.scale.float()).double()
        assert torch.allclose(quantized_product(q, weight, None, "binary").double(), exact, rtol=1e-6)


class TestWidth:
    def test_layers_of_the_paper(self) -> None:
        assert sorted(set(range(12)) - set(kept_layers(12, 0.75))) == [3, 7, 11]
        assert kept_layers(12, 0.5) == [0, 2, 4, 6, 8, 10]
        assert kept_layers(4, 1.0) == [0, 1, 2, 3]

    def test_rewiring_changes_nothing_and_narrowing_keeps_the_first(self) -> None:
        torch.manual_seed(1)
        model = JointBert(TINY).eval()
        importance = Importance(torch.rand(4, 4), torch.rand(4, 40))
        other = JointBert(TINY).eval()
        other.load_state_dict(rewire(model.state_dict(), TINY, importance))
        ids = torch.tensor([[2, 5, 6, 3]])
        assert torch.allclose(model(ids).slot_logits, other(ids).slot_logits, atol=1e-6)
        config = narrowed_config(TINY, 0.5, 0.5)
        assert (config.num_heads, config.ffn_size, config.num_layers) == (2, 20, 2)
        small = JointBert(config)
        small.load_state_dict(narrow(model.state_dict(), TINY, 0.5, 0.5))
        assert torch.equal(
            small.state_dict()["layer.1.ffn.down.weight"], model.state_dict()["layer.2.ffn.down.weight"][:, :20]
        )
        with pytest.raises(InvalidInputError, match=r"width: wanted a share in \(0, 1\], found 0"):
            narrowed_config(TINY, 0)

    def test_a_head_and_a_neuron_without_effect_come_last(self) -> None:
        torch.manual_seed(2)
        model = JointBert(TINY)
        with torch.no_grad():
            model.get_parameter("layer.1.attention.output.weight")[:, 6:12] = 0.0
            model.get_parameter("layer.2.ffn.down.weight")[:, 7] = 0.0
        batches = [torch.randint(5, 17, (3, 6)) for _ in range(3)]
        found = measure_importance(model, batches, lambda ids: model(ids).slot_logits.square().sum())
        assert found.heads[1].argmin() == 1 and found.heads[1, 1] == 0
        assert found.neurons[2].argmin() == 7
        assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("split_words", [False, True])
def test_the_artifact_holds_what_torch_computes_with(tmp_path: Path, split_words: bool) -> None:
    torch.manual_seed(6)
    config = dataclasses.replace(
        TINY, vocab_size=len(PIECES), quantization=Quantization.binary(split_words=split_words)
    )
    checkpoint = Checkpoint(config, ["Play", "Wake"], ["O", "B-a", "I-a"], PIECES, dict(JointBert(config).state_dict()))
    save_checkpoint(checkpoint, tmp_path / "model")
    imported = importers.load(tmp_path / "model")
    write_spec(imported.spec, tmp_path / "model.gguf", imported.provenance)
    weights = ArtifactWeights(tmp_path / "model.gguf")
    up = checkpoint.weights["layer.3.ffn.up.weight"], checkpoint.weights["layer.3.ffn.up.weight_2"]
    wanted = sum(binarize_rows(half).dequantize() for half in up)
    assert np.array_equal(weights.matrix("layer.3.ffn.up.weight", 40, 24), np.asarray(wanted))
    words = [binarize_rows(checkpoint.weights["embeddings.word.weight"]).dequantize()]
    if split_words:
        words.append(binarize_rows(checkpoint.weights["embeddings.word.weight_2"]).dequantize())
    assert np.array_equal(weights.matrix("embeddings.word", len(PIECES), 24), np.asarray(sum(words)))
    parser = sottovoce.IntentParser.from_pretrained(tmp_path / "model.gguf")
    reference = joint_bert(imported.spec)
    for text in ("play some jazz by miles", "wake me at seven", "please"):
        found = {intent.name: intent.score for intent in parser.parse(text, top_k=2).intents}
        ids = torch.tensor([parser.tokenizer.encode(text).ids])
        scores = reference(ids, exact=True).intent_logits.softmax(-1)[0].tolist()
        assert [found[name] for name in ("Play", "Wake")] == pytest.approx(scores, abs=1e-5)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A float32 checkpoint and, beside it, data of its labels."""
    for seed, (name, count) in enumerate((("train", 40), ("valid", 10), ("test", 10))):
        rng, rows = random.Random(seed), []
        for _ in range(count):
            if rng.random() < 0.5:
                words = ["play", "some", "jazz", "by", rng.choice(["miles", "nina"])]
                rows.append(Utterance(words, ["O"] * 4 + ["B-artist"], "Play"))
            else:
                rows.append(
                    Utterance(["wake", "me", "at", rng.choice(["seven", "eight"])], ["O"] * 3 + ["B-time"], "Wake")
                )
        directory = tmp_path / "data" / name
        directory.mkdir(parents=True)
        (directory / "seq.in").write_text("".join(row.text + "\n" for row in rows))
        (directory / "seq.out").write_text("".join(" ".join(row.tags) + "\n" for row in rows))
        (directory / "label").write_text("".join(row.intent + "\n" for row in rows))
    labels = Labels.collect(load_dataset(tmp_path / "data")["train"])
    torch.manual_seed(5)
    config = dataclasses.replace(TINY, vocab_size=len(PIECES), num_slots=len(labels.tags))
    weights = dict(JointBert(config).state_dict())
    save_checkpoint(Checkpoint(config, labels.intents, labels.tags, PIECES, weights), tmp_path / "student")
    return tmp_path / "student"


@pytest.mark.parametrize("split_words", [False, True])
def test_splitting_keeps_the_function(student: Path, split_words: bool) -> None:
    checkpoint = load_checkpoint(student)
    quantization = dataclasses.replace(Quantization.ternary(), word="ternary" if split_words else "binary")
    ternary = dataclasses.replace(checkpoint, config=dataclasses.replace(checkpoint.config, quantization=quantization))
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    before, after = ternary.build().eval()(ids), split(ternary, split_words=split_words).build().eval()(ids)
    # Scales are stored in half precision, each half's for itself.
    assert torch.allclose(before.slot_logits, after.slot_logits, atol=2e-3)


def test_four_bit_inputs_begin_near_eight_bit_ones(student: Path) -> None:
    checkpoint = load_checkpoint(student)
    torch.manual_seed(7)
    weights = {
        name: tensor if tensor.dim() == 1 else torch.randn_like(tensor) * 0.3
        for name, tensor in checkpoint.weights.items()
    }
    ternary = dataclasses.replace(Quantization.ternary(), word="binary")
    config = dataclasses.replace(checkpoint.config, quantization=ternary)
    eight = split(dataclasses.replace(checkpoint, config=config, weights=weights))
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    keep = torch.tensor([[1.0, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    batch = Batch(ids, keep, ids, torch.zeros(2, 2), torch.ones(2))
    four = four_bit_inputs(eight, batch)
    assert (four.config.activation_bits, four.config.asymmetric_inputs) == (4, ("ffn.down",))
    step = four.weights["layer.2.ffn.down.input_step"]
    assert step.shape == (2,) and step[0] == step[1] > 0 and "slot.input_step" not in four.weights
    before, after = (made.build().eval()(ids, keep).slot_logits[0] for made in (eight, four))
    noise = four_bit_inputs(eight, batch)
    noise.weights |= {name: 20 * value for name, value in noise.weights.items() if name.endswith("input_step")}
    spoilt = noise.build().eval()(ids, keep).slot_logits[0]
    assert (after - before).norm() < 0.7 * (spoilt - before).norm()  # the guess is better than a wrong scale
    model = four.build()
    model(ids, keep).slot_logits.square().sum().backward()
    gradient = model.get_parameter("layer.0.attention.key.input_step").grad
    assert gradient is not None and gradient.abs().min() > 0


def test_the_recipe(student: Path, tmp_path: Path) -> None:
    def settings(epochs: int) -> LoopSettings:
        return LoopSettings(epochs=epochs, learning_rate=5e-3)

    chosen = BinarySettings(settings(4), settings(4), settings(6))
    out = tmp_path / "out"
    start = Start(student, tmp_path / "data", "tiny", batch_size=8)
    binary = train_binary(start, out, chosen)
    assert binary.config.quantization == Quantization.binary()
    assert (binary.config.num_heads, binary.config.ffn_size) == (2, 20)
    assert binary.metrics["test"]["intent_accuracy"] >= 80.0  # a random teacher: chance is 50
    assert {"train.pt", "best.pt"} <= {path.name for path in (out / "ternary_narrow").iterdir()}
    again = train_binary(start, out, chosen)
    assert again.weights.keys() == binary.weights.keys()
    assert all(torch.equal(tensor, again.weights[name]) for name, tensor in binary.weights.items())
    with pytest.raises(InvalidInputError, match="wanted float32 weights"):
        train_binary(dataclasses.replace(start, student=out / "binary"), tmp_path / "other", chosen)
    # The packed artifact decides as the torch reference does.
    imported = importers.load(out / "binary")
    write_spec(imported.spec, tmp_path / "tiny.gguf", imported.provenance)
    test = load_dataset(tmp_path / "data")["test"]
    packed, reference = runtime_decisions(str(tmp_path / "tiny.gguf"), test), reference_decisions(out / "binary", test)
    assert packed == reference
    with pytest.raises(InvalidInputError, match="its encoder weights are two binary halves"):
        write_spec(imported.spec, tmp_path / "no.gguf", imported.provenance, WEIGHTS_BY_NAME["ternary"])
    assert not (tmp_path / "no.gguf").exists()
