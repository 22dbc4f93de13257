"""What the papers' code computes from its own stored tensors, one utterance at a time: the reference for importer and runtime.

Written from the formulas, not from the importer: it reads stored names, and quantizes in torch as the papers say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from generators.paper_checkpoints import PIECES

Tensors = dict[str, Tensor]


def token_ids(text: str) -> list[int]:
    """The pieces of words that are all in the vocabulary."""
    return [PIECES.index(piece) for piece in ("[CLS]", *text.split(), "[SEP]")]


def twn(weight: Tensor, *, rows: bool) -> Tensor:
    """Ternary weights by one scale, or one a row."""
    axes = [1] if rows else [0, 1]
    kept = weight.abs() > 0.7 * weight.abs().mean(axes, keepdim=True)
    alpha = (weight.abs() * kept).sum(axes, keepdim=True) / kept.sum(axes, keepdim=True)
    return alpha * weight.sign() * kept


def bwn(weight: Tensor, *, rows: bool) -> Tensor:
    """Binary weights by one scale, or one a row."""
    return weight.sign() * weight.abs().mean([1] if rows else [0, 1], keepdim=True)


def quantize(x: Tensor, clip: Tensor, bits: int, *, symmetric: bool = True) -> Tensor:
    """Activations by one scale: bounded by a (low, high) clip and then dynamic, or in steps when `clip` has no dimension."""
    top = 2 ** (bits - 1) - 1
    if clip.dim() == 0:
        step = float(clip)
        if symmetric:
            return (x / step).round().clamp(-top - 1, top) * step
        return ((x - x.min()) / step).round().clamp(0, 2 * top + 1) * step + x.min()
    x = x.clamp(float(clip[0]), float(clip[1]))
    if symmetric:
        scale = top / x.abs().max()
        return (x * scale).round() / scale
    span = x.max() - x.min() + 1e-8
    return ((x - x.min()) / span * (2 * top + 1)).round() / (2 * top + 1) * span + x.min()


@dataclass
class PaperNetwork:
    """family: "plain", "ternary" or "binary"; `relu` stands before the classifier.

    quantize_operands: False leaves query, key, value and attention weights float, as the runtime does. half_scales: weight
    scales rounded to float16, as an artifact holds them.
    """

    tensors: Tensors
    config: dict[str, Any]
    family: str = "plain"
    relu: bool = False
    quantize_operands: bool = True
    half_scales: bool = True

    def stored(self, weight: Tensor) -> Tensor:
        """A quantized weight with its scale as an artifact holds it: it is that scale times -1, 0 or 1."""
        return weight.half().float() if self.half_scales else weight

    def linear(self, name: str, x: Tensor) -> Tensor:
        """y = x W^T + b, quantized as the family does."""
        t, config = self.tensors, self.config
        if self.family == "plain" or name == "classifier":
            return functional.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])
        if self.family == "ternary":
            low, high = t[f"{name}.weight_clip_val"].tolist()
            weight = self.stored(twn(t[f"{name}.weight"].clamp(low, high), rows=False))
            return functional.linear(quantize(x, t[f"{name}.act_clip_val"], 8), weight, t[f"{name}.bias"])
        down = name.endswith("output.dense") and "attention" not in name
        symmetric = config["sym_quant_ffn_attn"] if down else config["sym_quant_qkvo"]
        halves = (f"{name}_1", f"{name}_2") if f"{name}_1.weight" in t else (name,)
        binarize = bwn if len(halves) == 2 else twn
        total = torch.zeros(())
        for half in halves:
            q = quantize(x, t[f"{half}.input_clip_val"], config["input_bits"], symmetric=symmetric)
            weight = self.stored(binarize(t[f"{half}.weight"], rows=False))
            total = total + functional.linear(q, weight, t[f"{half}.bias"])
        return total

    def operand(self, layer: int, name: str, x: Tensor) -> Tensor:
        """query, key, value or the attention weights before their product."""
        if self.family == "plain" or not self.quantize_operands:
            return x
        clip = self.tensors[f"bert.encoder.layer.{layer}.attention.self.clip_{name}"]
        symmetric = self.config.get("sym_quant_ffn_attn", True) if name == "attn" else True
        return quantize(x, clip, self.config["input_bits"], symmetric=symmetric)

    def word(self, ids: Tensor) -> Tensor:
        """Embedding rows of the pieces."""
        name = "bert.embeddings.word_embeddings"
        if self.family == "plain":
            return self.tensors[f"{name}.weight"][ids]
        if f"{name}_1.weight" in self.tensors:
            first, second = (bwn(self.tensors[f"{name}_{half}.weight"], rows=True)[ids] for half in (1, 2))
            return self.stored(first) + self.stored(second)
        low, high = self.tensors.get(f"{name}.weight_clip_val", torch.tensor([-1e9, 1e9])).tolist()
        return self.stored(twn(self.tensors[f"{name}.weight"].clamp(low, high), rows=True)[ids])

    def norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = (self.tensors[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-12)

    def attend(self, layer: int, h: Tensor) -> Tensor:
        """Self-attention, with NEZHA's relative positions when the configuration asks for them."""
        prefix, heads = f"bert.encoder.layer.{layer}.attention", self.config["num_attention_heads"]
        tokens = len(h)
        q, k, v = (
            self.operand(layer, name, self.linear(f"{prefix}.self.{name}", h)).view(tokens, heads, -1).transpose(0, 1)
            for name in ("query", "key", "value")
        )
        size = q.shape[-1]
        scores = q @ k.transpose(1, 2)
        relative = None
        if self.config.get("use_relative_position"):
            relative = self.relative(tokens, size)
            scores = scores + torch.einsum("hid,ijd->hij", q, relative)
        weights = self.operand(layer, "attn", (scores / math.sqrt(size)).softmax(-1))
        context = weights @ v
        if relative is not None:
            context = context + torch.einsum("hij,ijd->hid", weights, relative)
        out = self.linear(f"{prefix}.output.dense", context.transpose(0, 1).reshape(tokens, -1))
        return self.norm(f"{prefix}.output", out + h)

    def relative(self, tokens: int, size: int) -> Tensor:
        """(tokens, tokens, size): the row of the sinusoid table for every query and key."""
        most = self.config["max_relative_position"]
        table = torch.zeros(2 * most + 1, size)
        for position in range(2 * most + 1):
            for pair in range(size // 2):
                angle = position / 10000 ** (2 * pair / size)
                table[position, 2 * pair], table[position, 2 * pair + 1] = math.sin(angle), math.cos(angle)
        steps = torch.arange(tokens)
        return table[(steps[None, :] - steps[:, None]).clamp(-most, most) + most]

    @torch.no_grad()
    def logits(self, ids: Sequence[int]) -> Tensor:
        """Class logits (labels) of one utterance with its [CLS] and [SEP]."""
        index = torch.tensor(ids)
        h = self.word(index) + self.tensors["bert.embeddings.token_type_embeddings.weight"][0]
        if not self.config.get("use_relative_position"):
            h = h + self.tensors["bert.embeddings.position_embeddings.weight"][: len(ids)]
        h = self.norm("bert.embeddings", h)
        for layer in range(self.config["num_hidden_layers"]):
            h = self.attend(layer, h)
            name = f"bert.encoder.layer.{layer}"
            inner = self.linear(f"{name}.intermediate.dense", h)
            inner = inner.relu() if self.config["hidden_act"] == "relu" else functional.gelu(inner)
            h = self.norm(f"{name}.output", self.linear(f"{name}.output.dense", inner) + h)
        pooled = self.linear("bert.pooler.dense", h[:1])[0].tanh()
        return self.linear("classifier", pooled.relu() if self.relu else pooled)
