"""The runtime's kernels against the torch reference, operation by operation, each fed the reference's own input.

Integers must be equal; floats within 1e-5 max(1, |x|). A random network of awkward sizes, and the shipped models.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from reference_model import reference_of

import sottovoce as sv
from sottovoce._native import kernels
from sottovoce.export import packing
from sottovoce.export.models.bert import BertConfig, JointBert, Product, Quantization

Floats = npt.NDArray[np.float32]
SENTENCES = (
    "play some jazz by miles davis in the kitchen",
    "book a table for four people at a diner in boston",
    "show me flights from san francisco to denver on monday morning",
)


def random_model(granularity: str, clip: float) -> JointBert:
    """A network whose sizes are multiples of nothing."""
    torch.manual_seed(1)
    config = BertConfig(
        num_layers=2, hidden_size=69, num_heads=3, head_size=23, ffn_size=131, vocab_size=97, num_intents=5,
        num_slots=9, max_positions=40, pooler_activation="tanh_relu", activation_granularity=granularity,  # type: ignore[arg-type]
        activation_clip=clip, quantization=Quantization.ternary(),
    )  # fmt: skip
    model = JointBert(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            parameter.copy_(1 + 0.1 * noise if name.endswith("norm.weight") else 0.2 * noise)
    return model


def assert_close(found: Floats, wanted: torch.Tensor, what: str) -> None:
    """Floats within 1e-5 max(1, |x|)."""
    reference = wanted.detach().numpy().reshape(found.shape).astype(np.float64)
    error = np.abs(found - reference) / np.maximum(1, np.abs(reference))
    assert error.max() <= 1e-5, f"{what}: off by {error.max():.2e}"


class Checker:
    """One utterance through the reference; each of its operations again through the kernels."""

    def __init__(self, model: JointBert, ids: list[int]) -> None:
        self.model = model
        self.config = model.config
        self.trace: dict[str, torch.Tensor] = {}
        with torch.no_grad():
            model(torch.tensor([ids]), exact=True, trace=self.trace)

    def value(self, name: str) -> Floats:
        """A traced value as (tokens, width)."""
        tensor = self.trace[name]
        return np.ascontiguousarray(tensor.reshape(-1, tensor.shape[-1]).numpy())

    def quantizer(self, source: Floats, name: str) -> None:
        codes, scale, total = kernels.quantize_rows(
            source, self.config.activation_clip, self.config.activation_granularity
        )
        wanted = self.value(f"{name}.values")
        np.testing.assert_array_equal(codes, wanted, err_msg=name)
        np.testing.assert_array_equal(scale, self.trace[f"{name}.scale"].reshape(-1).numpy(), err_msg=name)
        np.testing.assert_array_equal(total, wanted.sum(axis=1), err_msg=name)

    def product(self, layer: Product, source: str, name: str) -> None:
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        codes = self.value(f"{source}.values").astype(np.int8)
        scale = self.trace[f"{source}.scale"].reshape(-1).numpy().astype(np.float32)
        if layer.kind == "ternary":
            weight_codes, weight_scale = packing.quantize_ternary(weight)
            panels = packing.pack_q2p16x4(weight_codes)
            found = kernels.gemm_q2(codes, scale, panels, weight_scale.astype(np.float32), bias)
        else:
            weight_codes, weight_scale = packing.quantize_int8(weight)
            panels = packing.pack_q8p16x4(weight_codes).view(np.int8)
            found = kernels.gemm_q8(codes, scale, panels, weight_scale.astype(np.float32), bias)
        assert_close(found, self.trace[name], name)

    def norm(self, norm: torch.nn.LayerNorm, source: Floats, residual: Floats, name: str) -> None:
        weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
        found = kernels.layer_norm(source, residual, weight, bias, norm.eps)
        assert_close(found, self.trace[name], name)

    def run(self) -> int:
        """Check everything and return how many operations were checked."""
        model, config = self.model, self.config
        total = self.value("embeddings.sum")
        self.norm(model.embeddings.norm, total, np.zeros_like(total), "embeddings.norm")
        hidden, checked = "embeddings.norm", 1
        for index, layer in enumerate(model.layer):
            name = f"layer.{index}.attention"
            part = layer.attention
            self.quantizer(self.value(hidden), f"{name}.input")
            for product in ("query", "key", "value"):
                self.product(getattr(part, product), f"{name}.input", f"{name}.{product}")
            self.softmax(f"{name}.scores", f"{name}.softmax")
            q, k, v = (self.value(f"{name}.{product}") for product in ("query", "key", "value"))
            context = kernels.attention(q, k, v, config.num_heads, 1 / math.sqrt(config.head_size))
            assert_close(context, self.trace[f"{name}.context"], f"{name}.context")
            self.quantizer(self.value(f"{name}.context"), f"{name}.output.input")
            self.product(part.output, f"{name}.output.input", f"{name}.output")
            self.norm(part.norm, self.value(f"{name}.output"), self.value(hidden), f"{name}.norm")
            ffn = f"layer.{index}.ffn"
            self.quantizer(self.value(f"{name}.norm"), f"{ffn}.up.input")
            self.product(layer.ffn.up, f"{ffn}.up.input", f"{ffn}.up")
            assert_close(kernels.gelu(self.value(f"{ffn}.up")), self.trace[f"{ffn}.activation"], f"{ffn}.activation")
            self.quantizer(self.value(f"{ffn}.activation"), f"{ffn}.down.input")
            self.product(layer.ffn.down, f"{ffn}.down.input", f"{ffn}.down")
            self.norm(layer.ffn.norm, self.value(f"{ffn}.down"), self.value(f"{name}.norm"), f"{ffn}.norm")
            hidden = f"{ffn}.norm"
            checked += 14
        first = self.value(hidden)[:1]
        if config.pooler_activation != "none":
            self.quantizer(first, "pooler.input")
            self.product(model.pooler, "pooler.input", "pooler")
            pooled = kernels.tanh(self.value("pooler"))
            first = np.maximum(pooled, 0) if config.pooler_activation == "tanh_relu" else pooled
            assert_close(first, self.trace["pooler.activation"], "pooler.activation")
            first = self.value("pooler.activation")
            checked += 3
        self.quantizer(first, "intent.input")
        self.product(model.intent, "intent.input", "intent")
        self.quantizer(self.value(hidden), "slot.input")
        self.product(model.slot, "slot.input", "slot")
        return checked + 4

    def softmax(self, scores: str, name: str) -> None:
        assert_close(kernels.softmax(self.value(scores)), self.trace[name], name)


@pytest.mark.parametrize("granularity", ["token", "tensor"])
@pytest.mark.parametrize("clip", [0.0, 2.5])
@pytest.mark.parametrize("tokens", [1, 2, 7, 40])
def test_random_network(granularity: str, clip: float, tokens: int) -> None:
    generator = np.random.default_rng(tokens)
    ids = generator.integers(0, 97, tokens).tolist()
    assert Checker(random_model(granularity, clip), ids).run() == 36


@pytest.mark.parametrize("name", ["snips-en", "atis-en", "snips-en-6x384"])
def test_shipped_models(name: str) -> None:
    model = reference_of(name)
    parser = sv.IntentParser.from_pretrained(name)
    for sentence in SENTENCES:
        Checker(model, parser.tokenizer.encode(sentence).ids).run()


@pytest.mark.parametrize("name", ["snips-en", "atis-en", "snips-en-6x384"])
def test_shipped_models_decide_as_the_reference(name: str) -> None:
    model = reference_of(name)
    parser = sv.IntentParser.from_pretrained(name)
    for sentence in SENTENCES:
        ids = parser.tokenizer.encode(sentence).ids
        with torch.no_grad():
            output = model(torch.tensor([ids]), exact=True)
        assert parser.parse(sentence).intent.name == parser.intents[int(output.intent_logits.argmax())]
