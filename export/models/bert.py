"""Torch reference of the joint intent and slot BERT (TinyBERT, MiniLM, AutoTinyBERT, ...), in float32 or fake-quantized.

Parameter names equal the artifact's tensor stems (docs/artifact_format.md): `embeddings.word.weight`,
`layer.N.attention.query.weight`, `layer.N.attention.norm.bias`, `pooler.weight`, `intent.weight`, `slot.bias`, ...
Parameters are always float32 (the shadow weights); `Quantization` says how the forward pass sees each of them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from sottovoce.export.compress.fake_quant import (
    Granularity,
    QuantizedActivation,
    fake_quant_rows,
    quantize_activation,
    quantized_product,
)
from sottovoce.export.compress.quantized_rows import WeightKind

HiddenActivation = Literal["gelu", "relu"]
PoolerActivation = Literal["none", "tanh", "tanh_relu"]
Trace = dict[str, Tensor]


@dataclass(frozen=True)
class Quantization:
    """How the forward pass (and the artifact) holds each family of weights; packed products quantize their input."""

    word: WeightKind = "f32"
    position: WeightKind = "f32"
    encoder: WeightKind = "f32"
    pooler: WeightKind = "f32"
    heads: WeightKind = "f32"

    @classmethod
    def ternary(cls) -> Quantization:
        """W2E2A8: ternary encoder and word embeddings; positions, pooler and heads, few weights each, in int8."""
        return cls(word="ternary", position="int8", encoder="ternary", pooler="int8", heads="int8")

    @classmethod
    def binary(cls, *, split_words: bool = False) -> Quantization:
        """W1E1A8: every encoder product two added binary ones; word embeddings one binary table, or two."""
        return cls(
            word="split" if split_words else "binary", position="int8", encoder="split", pooler="int8", heads="int8"
        )


@dataclass(frozen=True)
class BertConfig:
    """The whole shape of the network; nothing else decides it."""

    num_layers: int
    hidden_size: int
    num_heads: int
    head_size: int
    ffn_size: int
    vocab_size: int
    num_intents: int
    num_slots: int
    max_positions: int = 512
    type_vocab_size: int = 2
    layer_norm_epsilon: float = 1e-12
    hidden_activation: HiddenActivation = "gelu"
    pooler_activation: PoolerActivation = "none"
    activation_granularity: Granularity = "token"
    activation_clip: float = 0.0
    quantization: Quantization = field(default_factory=Quantization)
    adaptive_widths: tuple[int, ...] = ()  # percents of heads and neurons that work alone (DynaBERT)
    adaptive_depths: tuple[int, ...] = ()  # percents of layers

    @property
    def qkv_size(self) -> int:
        """Width of query, key and value: AutoTinyBERT's differs from the hidden size."""
        return self.num_heads * self.head_size

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BertConfig:
        """Raises TypeError for a missing or an unknown key."""
        shares = {key: tuple(values.get(key, ())) for key in ("adaptive_widths", "adaptive_depths")}
        return cls(**{**values, **shares, "quantization": Quantization(**values["quantization"])})


@dataclass
class BertOutput:
    """Results of one batch; `hidden` and `scores` are filled only when asked for."""

    intent_logits: Tensor  # (batch, num_intents)
    slot_logits: Tensor  # (batch, tokens, num_slots)
    hidden: list[Tensor]  # num_layers + 1 of (batch, tokens, hidden_size), the embedding output first
    scores: list[Tensor]  # num_layers of (batch, heads, tokens, tokens), scaled, before the mask and the softmax


def gelu(x: Tensor, *, exact: bool) -> Tensor:
    """x/2 (1 + erf(x / sqrt 2)); `exact` computes in float64 and rounds once, the reference of the runtime's bound."""
    return functional.gelu(x.double()).float() if exact else functional.gelu(x)


class SequenceDropout(nn.Module):
    """Dropout with one mask a sequence, shared by its tokens: as good a regularizer, and random numbers cost time here."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0.0:
            return x
        mask = torch.empty(x.shape[0], 1, x.shape[2], device=x.device).bernoulli_(1.0 - self.share)
        return x * mask.div_(1.0 - self.share)


class Product(nn.Module):
    """y = x W^T + bias, packed (integer arithmetic on quantized rows) or float, by `kind`; `split` adds a second product."""

    def __init__(self, inputs: int, outputs: int, kind: WeightKind) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs).normal_(std=0.02))
        if kind == "split":
            self.weight_2 = nn.Parameter(torch.empty(outputs, inputs).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.kind: WeightKind = kind

    def forward(self, x: Tensor | QuantizedActivation) -> Tensor:
        if isinstance(x, QuantizedActivation):
            if self.kind == "split":
                first = quantized_product(x, self.weight, self.bias, "binary")
                return first + quantized_product(x, self.weight_2, None, "binary")
            return quantized_product(x, self.weight, self.bias, self.kind)
        return functional.linear(x, self.weight, self.bias)


class Embedding(nn.Module):
    """A look-up table whose rows are quantized after the look-up, so only the rows in use cost anything."""

    def __init__(self, rows: int, cols: int, kind: WeightKind, *, sparse: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, cols).normal_(std=0.02))
        if kind == "split":
            self.weight_2 = nn.Parameter(torch.empty(rows, cols).normal_(std=0.02))
        self.kind: WeightKind = kind
        self.sparse = sparse

    def forward(self, ids: Tensor) -> Tensor:
        if self.kind == "split":
            first, second = (functional.embedding(ids, w, sparse=self.sparse) for w in (self.weight, self.weight_2))
            return fake_quant_rows(first, "binary") + fake_quant_rows(second, "binary")
        return fake_quant_rows(functional.embedding(ids, self.weight, sparse=self.sparse), self.kind)


class Embeddings(nn.Module):
    """norm((word + position) + token_type[0])."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        kinds = config.quantization
        # Sparse gradients: a batch touches a few hundred of 30,522 rows, and untouched rows must keep their values.
        self.word = Embedding(config.vocab_size, config.hidden_size, kinds.word, sparse=True)
        self.position = Embedding(config.max_positions, config.hidden_size, kinds.position)
        self.token_type = Embedding(config.type_vocab_size, config.hidden_size, "f32")
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)

    def forward(self, ids: Tensor, trace: Trace | None) -> Tensor:
        word = self.word(ids)
        position = self.position(torch.arange(ids.shape[1], device=ids.device))
        total = (word + position) + self.token_type.weight[0]
        normed: Tensor = self.norm(total)
        if trace is not None:
            trace.update({"embeddings.word": word, "embeddings.position": position})
            trace.update({"embeddings.sum": total, "embeddings.norm": normed})
        return normed


class Attention(nn.Module):
    """Multi-head self-attention with its output product and post-norm. Query, key and value share one quantized input."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        kind, qkv = config.quantization.encoder, config.qkv_size
        self.query = Product(config.hidden_size, qkv, kind)
        self.key = Product(config.hidden_size, qkv, kind)
        self.value = Product(config.hidden_size, qkv, kind)
        self.output = Product(qkv, config.hidden_size, kind)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)
        self.num_heads, self.head_size = config.num_heads, config.head_size

    def split(self, x: Tensor) -> Tensor:
        """(batch, tokens, qkv) -> (batch, heads, tokens, head_size)."""
        return x.view(*x.shape[:2], self.num_heads, self.head_size).transpose(1, 2)


class FeedForward(nn.Module):
    """down(act(up(h))) with its post-norm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        kind = config.quantization.encoder
        self.up = Product(config.hidden_size, config.ffn_size, kind)
        self.down = Product(config.ffn_size, config.hidden_size, kind)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)


class Layer(nn.Module):
    """One post-LN transformer layer."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.ffn = FeedForward(config)


class JointBert(nn.Module):
    """The joint model: intent from the [CLS] state (through the pooler, if any), slots from every state."""

    def __init__(self, config: BertConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        kinds = config.quantization
        self.embeddings = Embeddings(config)
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        if config.pooler_activation != "none":
            self.pooler = Product(config.hidden_size, config.hidden_size, kinds.pooler)
        self.intent = Product(config.hidden_size, config.num_intents, kinds.heads)
        self.slot = Product(config.hidden_size, config.num_slots, kinds.heads)
        self.dropout = SequenceDropout(dropout)

    def _input(self, x: Tensor, keep: Tensor | None, kind: WeightKind, name: str, trace: Trace | None) -> Any:
        """`x` as the next product takes it: quantized for a packed one. The trace holds values and scale by name."""
        if kind == "f32":
            return x
        config = self.config
        quantized = quantize_activation(
            x, keep=keep, clip=config.activation_clip, granularity=config.activation_granularity
        )
        if trace is not None:
            trace[f"{name}.values"], trace[f"{name}.scale"] = quantized
        return quantized

    def _attend(
        self, h: Tensor, index: int, keep: Tensor, blocked: Tensor, scores: list[Tensor] | None, trace: Trace | None
    ) -> Tensor:
        part: Attention = self.layer[index].attention  # type: ignore[assignment]
        name, kind = f"layer.{index}.attention", self.config.quantization.encoder
        x = self._input(h, keep, kind, f"{name}.input", trace)
        query, key, value = part.query(x), part.key(x), part.value(x)
        raw = part.split(query) @ part.split(key).transpose(2, 3) * (1.0 / math.sqrt(part.head_size))
        if scores is not None:
            scores.append(raw)
        weights = raw.masked_fill(blocked, float("-inf")).softmax(-1)
        context = (weights @ part.split(value)).transpose(1, 2).flatten(2)
        out = part.output(self._input(context, keep, kind, f"{name}.output.input", trace))
        normed: Tensor = part.norm(self.dropout(out) + h)
        if trace is not None:
            trace.update({f"{name}.query": query, f"{name}.key": key, f"{name}.value": value})
            trace.update({f"{name}.scores": raw, f"{name}.softmax": weights, f"{name}.context": context})
            trace.update({f"{name}.output": out, f"{name}.norm": normed})
        return normed

    def _feed_forward(self, h: Tensor, index: int, keep: Tensor, exact: bool, trace: Trace | None) -> Tensor:
        part: FeedForward = self.layer[index].ffn  # type: ignore[assignment]
        name, kind = f"layer.{index}.ffn", self.config.quantization.encoder
        up = part.up(self._input(h, keep, kind, f"{name}.up.input", trace))
        active = gelu(up, exact=exact) if self.config.hidden_activation == "gelu" else up.relu()
        down = part.down(self._input(active, keep, kind, f"{name}.down.input", trace))
        normed: Tensor = part.norm(self.dropout(down) + h)
        if trace is not None:
            trace.update({f"{name}.up": up, f"{name}.activation": active, f"{name}.down": down, f"{name}.norm": normed})
        return normed

    def forward(
        self,
        ids: Tensor,
        keep: Tensor | None = None,
        *,
        want_hidden: bool = False,
        want_scores: bool = False,
        exact: bool = False,
        trace: Trace | None = None,
    ) -> BertOutput:
        """ids: (batch, tokens) int64; keep: (batch, tokens) float, 0 at padding. `trace` receives every intermediate.

        `exact` computes GELU in float64, as the reference of the runtime must; products are exact either way.
        """
        keep = torch.ones(ids.shape, device=ids.device) if keep is None else keep
        blocked = (keep == 0)[:, None, None, :]
        h = self.dropout(self.embeddings(ids, trace))
        hidden = [h]
        scores: list[Tensor] | None = [] if want_scores else None
        for index in range(self.config.num_layers):
            h = self._attend(h, index, keep, blocked, scores, trace)
            h = self._feed_forward(h, index, keep, exact, trace)
            if want_hidden:
                hidden.append(h)
        intent_logits, slot_logits = self._heads(h, keep, trace)
        return BertOutput(intent_logits, slot_logits, hidden if want_hidden else [], scores or [])

    def _heads(self, h: Tensor, keep: Tensor, trace: Trace | None) -> tuple[Tensor, Tensor]:
        config, kinds = self.config, self.config.quantization
        pooled, first = self.dropout(h)[:, :1], keep[:, :1]
        if config.pooler_activation != "none":
            product = self.pooler(self._input(pooled, first, kinds.pooler, "pooler.input", trace))
            pooled = product.tanh()
            if config.pooler_activation == "tanh_relu":
                pooled = pooled.relu()
            if trace is not None:
                trace.update({"pooler": product, "pooler.activation": pooled})
        intent = self.intent(self._input(pooled, first, kinds.heads, "intent.input", trace)).squeeze(1)
        slot = self.slot(self._input(self.dropout(h), keep, kinds.heads, "slot.input", trace))
        if trace is not None:
            trace.update({"intent": intent, "slot": slot})
        return intent, slot
