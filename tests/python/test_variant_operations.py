"""The runtime's kernels for NEZHA, GhostBERT and BinaryBERT against the torch reference, each fed the reference's own input.

Integers must be equal; floats within 1e-5 max(1, |x|).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from test_bert_variants import VARIANTS, network
from torch import Tensor

from sottovoce._native import kernels
from sottovoce.export import packing
from sottovoce.export.compress.activation_quant import ActivationQuantizer
from sottovoce.export.models.bert import JointBert, Product, Role

Floats = npt.NDArray[np.float32]


def rows_of(tensor: Tensor) -> Floats:
    """(..., width) as a matrix."""
    return np.ascontiguousarray(tensor.detach().reshape(-1, tensor.shape[-1]).numpy())


def assert_close(found: Floats, wanted: Tensor, what: str) -> None:
    """Floats within 1e-5 max(1, |x|)."""
    reference = wanted.detach().numpy().reshape(found.shape).astype(np.float64)
    error = np.abs(found - reference) / np.maximum(1, np.abs(reference))
    assert error.max() <= 1e-5, f"{what}: off by {error.max():.2e}"


class Checker:
    """One utterance through the reference; the operations that plain BERT does not have once more through the kernels."""

    def __init__(self, model: JointBert, ids: list[int]) -> None:
        self.model = model
        self.trace: dict[str, Tensor] = {}
        with torch.no_grad():
            model(torch.tensor([ids]), exact=True, trace=self.trace)

    def quantize(self, x: Tensor, quantizer: ActivationQuantizer, learned: Tensor) -> Any:
        """(codes, scale, offset) of the runtime."""
        low = high = step = 0.0
        if quantizer.kind == "stepped":
            step = float(learned)
        elif quantizer.kind == "clipped":
            low, high = learned.tolist()
        else:
            low, high = -quantizer.clip, quantizer.clip
        return kernels.quantize_rows_by(
            rows_of(x), quantizer.bits, quantizer.symmetric, quantizer.granularity, low, high, step
        )

    def product(self, product: Product, source: Tensor, role: Role, name: str) -> None:
        """The integers of the input, then the product of those integers."""
        quantizer = self.model.config.quantizer(role)
        learned = product.learned_input().detach()
        total = np.zeros_like(rows_of(self.trace[name]))
        for half in range(product.halves):
            suffix = "_2" if half and quantizer.learned else ""
            values, scale, offset = (
                self.trace[f"{name}.input.{part}{suffix}"] for part in ("values", "scale", "offset")
            )
            found = self.quantize(source, quantizer, learned[half])
            for got, wanted in zip(found, (values, scale, offset), strict=True):
                np.testing.assert_array_equal(got, wanted.detach().numpy().reshape(got.shape), err_msg=name)
            weight = (product.weight_2 if half else product.weight).detach().numpy()
            sums = rows_of(offset.reshape(-1, 1)) * self.weight_sums(weight, product.kind)
            bias = product.bias.detach().numpy() if half == 0 else np.zeros(len(weight), np.float32)
            total += self.multiply(found[0], found[1], weight, product.kind, quantizer.bits) + (bias + sums)
        assert_close(total, self.trace[name], name)

    @staticmethod
    def codes(weight: Floats, kind: str) -> Any:
        quantize = {
            "split": packing.quantize_binary,
            "ternary": packing.quantize_ternary,
            "int8": packing.quantize_int8,
        }
        return quantize[kind](weight)

    def weight_sums(self, weight: Floats, kind: str) -> Floats:
        codes, scale = self.codes(weight, kind)
        return codes.sum(axis=1, dtype=np.float32) * scale.astype(np.float32)  # type: ignore[no-any-return]

    def multiply(self, codes: Any, scale: Any, weight: Floats, kind: str, bits: int) -> Floats:
        """One matrix's product, without bias."""
        weight_codes, weight_scale = self.codes(weight, kind)
        zeros, scales = np.zeros(len(weight), np.float32), weight_scale.astype(np.float32)
        if kind == "split":
            return kernels.gemm_q1(codes, scale, packing.pack_q1p16x8(weight_codes), scales, zeros, bits)
        if kind == "ternary":
            return kernels.gemm_q2(codes, scale, packing.pack_q2p16x4(weight_codes), scales, zeros)
        return kernels.gemm_q8(codes, scale, packing.pack_q8p16x4(weight_codes).view(np.int8), scales, zeros)

    def operand(self, number: int, layer: int, source: Tensor, name: str) -> None:
        """An operand of attention as the runtime sees it."""
        role: Role = "attention.weights" if number == 3 else "attention.operands"
        quantizer = self.model.config.quantizer(role)
        part: Any = self.model.layer[layer].attention
        codes, scale, offset = self.quantize(source, quantizer, part.learned_operand(number).detach())
        assert_close(codes * scale[:, None] + offset[:, None], self.trace[name], name)

    def layer(self, index: int) -> None:
        """What differs from plain BERT in one layer."""
        config, trace, part = self.model.config, self.trace, self.model.layer[index]
        attention, ffn = f"layer.{index}.attention", f"layer.{index}.ffn"
        hidden = trace["embeddings.norm" if index == 0 else f"layer.{index - 1}.ffn.norm"]
        modules: Any = part
        if f"{attention}.query.input.values" in trace:
            for name in ("query", "key", "value"):
                self.product(getattr(modules.attention, name), hidden, "products", f"{attention}.{name}")
            self.product(modules.attention.output, trace[f"{attention}.context"], "products", f"{attention}.output")
            self.product(modules.ffn.up, trace[f"{attention}.norm"], "products", f"{ffn}.up")
        if f"{ffn}.down.input.values" in trace and f"{ffn}.down.input.offset" in trace:
            self.product(modules.ffn.down, trace[f"{ffn}.activation"], "ffn.down", f"{ffn}.down")
        if config.attention_quantizer != "none":
            for number, name in enumerate(("query", "key", "value")):
                self.operand(number, index, trace[f"{attention}.{name}"], f"{attention}.{name}.operand")
            self.operand(3, index, trace[f"{attention}.softmax"], f"{attention}.weights")
        else:
            q, k, v = (rows_of(trace[f"{attention}.{name}"]) for name in ("query", "key", "value"))
            table = modules.attention.relative
            relative = np.zeros((0, 0), np.float32) if table is None else table.numpy()
            found = kernels.attention(q, k, v, config.num_heads, 1 / math.sqrt(config.head_size), relative)
            assert_close(found, trace[f"{attention}.context"], f"{attention}.context")
        for name, branch in ((f"{attention}.output", modules.attention), (f"{ffn}.down", modules.ffn)):
            if config.ghost_features:
                found = kernels.ghost(rows_of(trace[name]), branch.ghost.weight.detach().numpy())
                assert_close(found, trace[f"{name.rpartition('.')[0]}.ghost"], name)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tokens", [1, 2, 7, 16])
def test_variants(variant: str, tokens: int) -> None:
    model = network(variant)
    checker = Checker(model, np.random.default_rng(tokens).integers(0, 11, tokens).tolist())
    for index in range(model.config.num_layers):
        checker.layer(index)
