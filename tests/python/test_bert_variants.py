"""The torch reference of NEZHA's relative positions, GhostBERT's features and learned activation quantizers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generators.paper_network import quantize
from torch.nn import functional

from sottovoce.export import importers
from sottovoce.export.compress.activation_quant import (
    ActivationQuantizer,
    fake_quantize,
    initial_step,
    offset_product,
    quantize_offset,
)
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.compress.width import narrow, narrowed_config
from sottovoce.export.models.bert import BertConfig, JointBert, Quantization
from sottovoce.export.models.ghost import GhostFeatures
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

TINY = BertConfig(
    num_layers=2, hidden_size=12, num_heads=2, head_size=6, ffn_size=20, vocab_size=11, num_intents=3, num_slots=3,
    max_positions=16,
)  # fmt: skip
SPLIT = Quantization(word="binary", position="int8", encoder="split", pooler="int8", heads="int8")
VARIANTS = {
    "nezha": {"position": "relative", "max_relative_position": 2},
    "ghost": {"ghost_features": 2},
    "clipped": {"input_quantizer": "clipped", "asymmetric_inputs": ("ffn.down",), "quantization": SPLIT},
    "stepped": {
        "input_quantizer": "stepped", "activation_bits": 4, "hidden_activation": "relu", "quantization": SPLIT,
        "asymmetric_inputs": ("ffn.down", "attention.weights"), "attention_quantizer": "stepped",
        "activation_granularity": "tensor", "pooler_activation": "tanh",
    },
    "operands": {
        "attention_quantizer": "dynamic", "attention_clip": 2.5, "activation_granularity": "tensor",
        "asymmetric_inputs": ("products", "attention.operands", "attention.weights"),
        "quantization": Quantization.ternary(),
    },
}  # fmt: skip


def network(variant: str, seed: int = 0) -> JointBert:
    """A variant with weights large enough to matter."""
    torch.manual_seed(seed)
    changes: dict[str, Any] = VARIANTS[variant]
    model = JointBert(replace(TINY, **changes)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "input_" not in name and "operand_" not in name and not name.endswith("norm.weight"):
                parameter.copy_(0.4 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_changes_nothing(variant: str) -> None:
    model = network(variant)
    ids = torch.randint(0, 11, (1, 7))
    alone = model(ids)
    padded = torch.cat([ids, torch.zeros(1, 4, dtype=torch.long)], 1)
    other = torch.randint(0, 11, (1, 11))
    keep = torch.ones(2, 11)
    keep[0, 7:] = 0
    batch = model(torch.cat([padded, other]), keep)
    assert torch.allclose(batch.intent_logits[0], alone.intent_logits[0], atol=1e-5)
    assert torch.allclose(batch.slot_logits[0, :7], alone.slot_logits[0], atol=1e-5)
    assert torch.isfinite(batch.slot_logits).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_learns(variant: str) -> None:
    model = network(variant).train()
    output = model(torch.randint(0, 11, (3, 9)))
    (output.intent_logits.square().sum() + output.slot_logits.square().sum()).backward()
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        assert gradient is not None and torch.isfinite(gradient.to_dense()).all(), name
        if "step" in name or "ghost" in name:
            assert gradient.abs().sum() > 0, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_checkpoints_of_variants(variant: str, tmp_path: Path) -> None:
    model = network(variant)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefg"]
    checkpoint = Checkpoint(model.config, ["x", "y", "z"], ["O", "B-a", "I-a"], pieces, dict(model.state_dict()))
    save_checkpoint(checkpoint, tmp_path / "c")
    loaded = load_checkpoint(tmp_path / "c")
    assert loaded.config == model.config
    ids = torch.randint(0, 11, (2, 5))
    assert torch.equal(loaded.build().eval()(ids).slot_logits, model(ids).slot_logits)
    spec = importers.load(tmp_path / "c").spec
    assert ("embeddings.position" in spec.arrays) == (variant != "nezha")
    assert ("layer.1.ffn.ghost.weight" in spec.arrays) == (variant == "ghost")
    assert ("layer.1.ffn.down.input_step" in spec.arrays) == (variant == "stepped")


def test_relative_positions_are_those_of_the_paper() -> None:
    model = network("nezha")
    part: Any = model.layer[0].attention
    trace: dict[str, torch.Tensor] = {}
    model(torch.randint(0, 11, (1, 6)), trace=trace)
    query, key, value = (part.split(trace[f"layer.0.attention.{name}"])[0] for name in ("query", "key", "value"))
    scores, context = torch.zeros(2, 6, 6), torch.zeros(2, 6, 6)
    table = part.relative
    for i in range(6):
        for j in range(6):
            row = table[min(max(j - i, -2), 2) + 2]
            scores[:, i, j] = (query[:, i] * (key[:, j] + row)).sum(-1) / 6**0.5
    weights = scores.softmax(-1)
    for i in range(6):
        for j in range(6):
            row = table[min(max(j - i, -2), 2) + 2]
            context[:, i] += weights[:, i, j, None] * (value[:, j] + row)
    found = trace["layer.0.attention.context"][0].view(6, 2, 6).transpose(0, 1)
    assert torch.allclose(found, context, atol=1e-5)


def test_ghost_features_are_convolutions_over_the_tokens() -> None:
    torch.manual_seed(0)
    ghost = GhostFeatures(2, 5)
    with torch.no_grad():
        ghost.weight.copy_(torch.randn(2, 5, 3))
    assert torch.allclose(ghost.kernel().sum(1), torch.full((5,), 3.0))  # x itself and two kernels that sum to 1
    x = torch.randn(1, 4, 5)
    found = ghost(x, torch.ones(1, 4))
    wanted = x.clone()
    for kernel in ghost.weight.softmax(-1):
        wanted += functional.conv1d(x.transpose(1, 2), kernel.unsqueeze(1), padding=1, groups=5).transpose(1, 2)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_narrowing_keeps_the_ghost_features() -> None:
    model = network("ghost")
    small = JointBert(narrowed_config(model.config, 0.5))
    small.load_state_dict(narrow(dict(model.state_dict()), model.config, 0.5))
    assert torch.equal(small.layer[1].ffn.ghost.weight, model.layer[1].ffn.ghost.weight)  # type: ignore[union-attr]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("learned", [[], [-1.0, 1.5], [0.21]])
def test_quantizers_are_those_of_the_papers(bits: int, symmetric: bool, learned: list[float]) -> None:
    torch.manual_seed(1)
    x = torch.randn(1, 6, 9)
    kind = ("dynamic", "stepped", "clipped")[len(learned)]
    quantizer = ActivationQuantizer(kind, bits, symmetric, "tensor")  # type: ignore[arg-type]
    numbers = torch.tensor(learned)
    keep = torch.ones(1, 6, 1)
    clip = torch.tensor([-100.0, 100.0]) if not learned else numbers.reshape(() if len(learned) == 1 else (2,))
    wanted = quantize(x[0], clip, bits, symmetric=symmetric)
    assert torch.allclose(fake_quantize(x, quantizer, numbers, keep)[0], wanted, atol=1e-5)
    (values, _), offset = quantize_offset(x, quantizer, numbers, keep)
    assert values.abs().max() <= 2 ** (bits - 1) and torch.equal(values, values.round())
    assert symmetric == bool((offset == 0).all())


@pytest.mark.parametrize("kind", ["ternary", "int8", "binary"])
def test_products_of_shifted_codes(kind: WeightKind) -> None:
    torch.manual_seed(2)
    x, weight, bias = torch.randn(1, 4, 31).relu(), torch.randn(7, 31, requires_grad=True), torch.randn(7)
    quantizer = ActivationQuantizer("dynamic", 8, symmetric=False)
    quantized = quantize_offset(x, quantizer, torch.tensor([]), torch.ones(1, 4, 1))
    found = offset_product(quantized, weight, bias, kind)
    dense = fake_quantize(x, quantizer, torch.tensor([]), torch.ones(1, 4, 1))
    from sottovoce.export.compress.fake_quant import quantize_rows

    wanted = functional.linear(dense, quantize_rows(weight, kind).dequantize(), bias)
    assert torch.allclose(found, wanted, atol=1e-4)
    gradient = torch.randn_like(found)
    found.backward(gradient)
    assert weight.grad is not None
    assert torch.allclose(weight.grad, gradient[0].t() @ dense[0], atol=1e-4)  # straight through, the offset included


def test_the_step_learns_as_lsq_says() -> None:
    step = torch.tensor([0.5], requires_grad=True)
    x = torch.tensor([[[0.6, -0.2, 9.0, -9.0]]], requires_grad=True)
    quantizer = ActivationQuantizer("stepped", 4)
    fake_quantize(x, quantizer, step, torch.ones(1, 1, 1)).sum().backward()
    # q - x / step inside the range, the bounds 7 and -8 outside, all times 1 / sqrt(4 values * 7).
    wanted = ((1 - 1.2) + (0 - -0.4) + 7 - 8) / 28**0.5
    assert step.grad is not None and x.grad is not None
    assert abs(float(step.grad) - wanted) < 1e-6
    assert x.grad.flatten().tolist() == [1, 1, 0, 0]
    assert abs(float(initial_step(torch.ones(3), quantizer)) - 2 / 7**0.5) < 1e-6
