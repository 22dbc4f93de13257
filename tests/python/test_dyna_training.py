"""DynaBERT: sub-networks that share one set of ternary weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from test_binary_training import TINY, student

import sottovoce
from sottovoce.errors import InvalidInputError
from sottovoce.export import importers
from sottovoce.export.compress.fake_quant import quantize_rows
from sottovoce.export.models.bert import JointBert, Quantization
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint
from sottovoce.export.train.nlu.dynamize import DynaBert, DynaSettings, sandwich, sub_network, train_dyna
from sottovoce.export.train.nlu.loop import LoopSettings
from sottovoce.export.train.nlu.student_task import Start
from sottovoce.export.writers import write_spec

__all__ = ["student"]  # the fixture
IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
KEEP = torch.tensor([[1.0, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def ternary_model() -> JointBert:
    torch.manual_seed(1)
    return JointBert(dataclasses.replace(TINY, quantization=Quantization.ternary())).eval()


def test_the_whole_network_is_itself() -> None:
    model = ternary_model()
    dyna = DynaBert(model, [(1.0, 1.0)]).eval()
    assert torch.equal(dyna((1.0, 1.0), IDS, KEEP).slot_logits, model(IDS, KEEP).slot_logits)


def test_a_sub_network_cuts_codes_and_keeps_scales() -> None:
    model = ternary_model()
    checkpoint = Checkpoint(model.config, ["a", "b"], ["O"], [], dict(model.state_dict()))
    small = sub_network(checkpoint, 0.5, 0.5)
    dyna = DynaBert(model, [(0.5, 0.5)]).eval()
    assert torch.equal(small.build().eval()(IDS, KEEP).slot_logits, dyna((0.5, 0.5), IDS, KEEP).slot_logits)
    whole = quantize_rows(model.get_parameter("layer.2.ffn.down.weight"), "ternary")
    cut = quantize_rows(small.weights["layer.1.ffn.down.weight"], "ternary")
    assert torch.equal(cut.codes, whole.codes[:, :20])
    assert torch.equal(cut.scale[cut.codes.any(1)], whole.scale[cut.codes.any(1)])
    int8 = dataclasses.replace(
        checkpoint, config=dataclasses.replace(model.config, quantization=Quantization(encoder="int8"))
    )
    with pytest.raises(InvalidInputError, match="wanted f32 or ternary encoder weights, found int8"):
        sub_network(int8, 0.5, 1.0)


def test_gradients_reach_only_what_a_sub_network_uses() -> None:
    model = ternary_model()
    dyna = DynaBert(model, [(0.5, 0.5)])
    dyna((0.5, 0.5), IDS, KEEP).slot_logits.square().sum().backward()
    up = model.get_parameter("layer.2.ffn.up.weight").grad
    assert up is not None and up[:20].any() and not up[20:].any()
    assert model.get_parameter("layer.1.ffn.up.weight").grad is None  # layers 0 and 2 are kept


def test_the_sandwich_always_holds_the_largest_and_the_smallest() -> None:
    shares = [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (0.5, 0.5)]
    assert sandwich(shares, None) == sandwich(shares, 2) == shares
    torch.manual_seed(0)
    seen = {tuple(sandwich(shares, 1)) for _ in range(20)}
    assert seen == {(shares[0], shares[1], shares[3]), (shares[0], shares[2], shares[3])}


def test_the_recipe(student: Path, tmp_path: Path) -> None:
    loop = LoopSettings(epochs=4, learning_rate=5e-3)
    chosen = DynaSettings(loop, loop, widths=(1.0, 0.5), depths=(1.0, 0.5))
    start = Start(student, tmp_path / "data", "tiny", batch_size=8)
    checkpoint = train_dyna(start, tmp_path / "out", chosen)
    assert checkpoint.config.quantization == Quantization.ternary()
    assert checkpoint.metrics["test"]["intent_accuracy"] >= 80.0  # a random teacher: chance is 50
    # Any part of the packed artifact decides as the torch reference of that sub-network does.
    imported = importers.load(tmp_path / "out" / "dyna")
    write_spec(imported.spec, tmp_path / "tiny.gguf", imported.provenance)
    for width, depth in ((1.0, 1.0), (0.5, 1.0), (1.0, 0.5), (0.5, 0.5)):
        parser = sottovoce.IntentParser.from_pretrained(tmp_path / "tiny.gguf", width=width, depth=depth)
        model = sub_network(checkpoint, width, depth).build().eval()
        for text in ("play some jazz by miles", "wake me at eight"):
            ids = torch.tensor([parser.tokenizer.encode(text).ids])
            scores = model(ids, exact=True).intent_logits / checkpoint.calibration["temperature"]
            found = {intent.name: intent.score for intent in parser.parse(text, top_k=2).intents}
            wanted = dict(zip(checkpoint.intent_labels, scores.softmax(-1)[0].tolist(), strict=True))
            assert found == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(InvalidInputError, match=r"width: this model offers 1 or 0.50?, found 0.25"):
        sottovoce.IntentParser.from_pretrained(tmp_path / "tiny.gguf", width=0.25)
    with pytest.raises(InvalidInputError, match=r"depth: this model offers 1, found 0.5"):
        sottovoce.IntentParser.from_pretrained("snips-en", depth=0.5)
    again = load_checkpoint(tmp_path / "out" / "dyna")
    assert all(torch.equal(tensor, again.weights[name]) for name, tensor in checkpoint.weights.items())
