"""Torch reference of the joint intent and slot BERT (TinyBERT, MiniLM, AutoTinyBERT, ...), in float32 or fake-quantized.

Parameter names equal the artifact's tensor stems (docs/artifact_format.md): `embeddings.word.weight`,
`layer.N.attention.query.weight`, `layer.N.attention.norm.bias`, `pooler.weight`, `intent.weight`, `slot.bias`, ...
Parameters are always float32 (the shadow weights); `Quantization` says how the forward pass sees each of them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from sottovoce.export.compress.activation_quant import (
    ActivationQuantizer,
    OffsetActivation,
    QuantizerKind,
    fake_quantize,
    offset_product,
    quantize_offset,
)
from sottovoce.export.compress.fake_quant import (
    Granularity,
    QuantizedActivation,
    fake_quant_rows,
    quantize_activation,
    quantized_product,
)
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.models.ghost import GhostFeatures
from sottovoce.export.spec_bert import relative_table

HiddenActivation = Literal["gelu", "relu"]
PoolerActivation = Literal["none", "tanh", "tanh_relu"]
# Which inputs may be asymmetric: of the products but ffn.down; of ffn.down; query, key and value; attention weights.
Role = Literal["products", "ffn.down", "attention.operands", "attention.weights"]
Trace = dict[str, Tensor]
OPERANDS = ("query", "key", "value", "weights")  # of attention, in the order of operand_clip and operand_step


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
    position: Literal["absolute", "relative"] = (
        "absolute"  # relative: NEZHA's sines inside attention, no position embeddings
    )
    max_relative_position: int = 0  # tokens further apart than this count as this far apart
    ghost_features: int = 0  # GhostBERT's features after the attention output and after the feed-forward
    # Of the inputs of packed encoder and pooler products; heads always take 8 bits, dynamic and symmetric.
    input_quantizer: QuantizerKind = "dynamic"
    activation_bits: int = 8
    asymmetric_inputs: tuple[Role, ...] = ()
    # Of query, key, value and the attention weights before their products; `none` leaves them float.
    attention_quantizer: Literal["none", "dynamic", "clipped", "stepped"] = "none"
    attention_clip: float = 0.0  # of a dynamic attention_quantizer

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
        lists = ("adaptive_widths", "adaptive_depths", "asymmetric_inputs")
        tuples = {key: tuple(values.get(key, ())) for key in lists}
        return cls(**{**values, **tuples, "quantization": Quantization(**values["quantization"])})

    def quantizer(self, role: Role) -> ActivationQuantizer:
        """How the inputs of `role` are quantized."""
        attention = role.startswith("attention.")
        kind = self.attention_quantizer if attention else self.input_quantizer
        return ActivationQuantizer(
            kind="dynamic" if kind == "none" else kind,
            bits=self.activation_bits,
            symmetric=role not in self.asymmetric_inputs,
            granularity=self.activation_granularity,
            clip=self.attention_clip if attention else self.activation_clip,
        )


@dataclass
class BertOutput:
    """Results of one batch; `hidden` and `scores` are filled only when asked for."""

    intent_logits: Tensor  # (batch, num_intents)
    slot_logits: Tensor  # (batch, tokens, num_slots)
    hidden: list[Tensor]  # num_layers + 1 of (batch, tokens, hidden_size), the embedding output first
    scores: list[Tensor]  # num_layers of (batch, heads, tokens, tokens), scaled, before the mask and the softmax


class JointModel(Protocol):
    """What can be distilled and validated: a joint BERT, or a module that computes like one."""

    @property
    def config(self) -> BertConfig:
        """Its shape."""

    def __call__(self, ids: Tensor, keep: Tensor | None = None, **wants: Any) -> BertOutput:
        """As `JointBert.forward`."""

    def eval(self) -> Any:
        """As any module."""


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


Input = Tensor | QuantizedActivation | list[OffsetActivation]  # the last: one, or one a half of the weights


class Product(nn.Module):
    """y = x W^T + bias, packed (integer arithmetic on quantized rows) or float, by `kind`; `split` adds a second product.

    A learned `quantizer` of the input has numbers of its own for every half: `input_clip` (2 halves) or `input_step` (halves).
    """

    def __init__(
        self, inputs: int, outputs: int, kind: WeightKind, quantizer: ActivationQuantizer | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs).normal_(std=0.02))
        if kind == "split":
            self.weight_2 = nn.Parameter(torch.empty(outputs, inputs).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.kind: WeightKind = kind
        self.halves = 2 if kind == "split" else 1
        if quantizer is not None and quantizer.learned:
            name = "input_clip" if quantizer.kind == "clipped" else "input_step"
            setattr(self, name, nn.Parameter(quantizer.initial().repeat(self.halves)))

    def learned_input(self) -> Tensor:
        """(halves, numbers): what its input's quantizer has learned."""
        learned = getattr(self, "input_clip", None)
        learned = getattr(self, "input_step", None) if learned is None else learned
        return self.weight.new_empty(self.halves, 0) if learned is None else learned.view(self.halves, -1)

    def forward(self, x: Input) -> Tensor:
        if isinstance(x, QuantizedActivation):
            if self.kind == "split":
                first = quantized_product(x, self.weight, self.bias, "binary")
                return first + quantized_product(x, self.weight_2, None, "binary")
            return quantized_product(x, self.weight, self.bias, self.kind)
        if isinstance(x, list):
            if self.kind == "split":
                first = offset_product(x[0], self.weight, self.bias, "binary")
                return first + offset_product(x[-1], self.weight_2, None, "binary")
            return offset_product(x[0], self.weight, self.bias, self.kind)
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
    """norm((word + position) + token_type[0]); relative positions add nothing here."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        kinds = config.quantization
        # Sparse gradients: a batch touches a few hundred of 30,522 rows, and untouched rows must keep their values.
        self.word = Embedding(config.vocab_size, config.hidden_size, kinds.word, sparse=True)
        if config.position == "absolute":
            self.position = Embedding(config.max_positions, config.hidden_size, kinds.position)
        self.token_type = Embedding(config.type_vocab_size, config.hidden_size, "f32")
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)

    def forward(self, ids: Tensor, trace: Trace | None) -> Tensor:
        total = word = self.word(ids)
        if hasattr(self, "position"):
            position = self.position(torch.arange(ids.shape[1], device=ids.device))
            total = word + position
            if trace is not None:
                trace["embeddings.position"] = position
        total = total + self.token_type.weight[0]
        normed: Tensor = self.norm(total)
        if trace is not None:
            trace["embeddings.word"] = word
            trace.update({"embeddings.sum": total, "embeddings.norm": normed})
        return normed


class Attention(nn.Module):
    """Multi-head self-attention with its output product and post-norm. Query, key and value share one quantized input."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        kind, qkv, quantizer = config.quantization.encoder, config.qkv_size, config.quantizer("products")
        self.query = Product(config.hidden_size, qkv, kind, quantizer)
        self.key = Product(config.hidden_size, qkv, kind, quantizer)
        self.value = Product(config.hidden_size, qkv, kind, quantizer)
        self.output = Product(qkv, config.hidden_size, kind, quantizer)
        operands = config.quantizer("attention.operands")
        if operands.learned:
            name = "operand_clip" if operands.kind == "clipped" else "operand_step"
            setattr(self, name, nn.Parameter(operands.initial().repeat(len(OPERANDS))))
        if config.ghost_features:
            self.ghost = GhostFeatures(config.ghost_features, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)
        self.num_heads, self.head_size = config.num_heads, config.head_size
        self.relative: Tensor | None = None
        if config.position == "relative":
            # One table for keys and values, all heads and all layers; it follows from its sizes, so it is no parameter.
            self.relative = torch.from_numpy(relative_table(config.max_relative_position, config.head_size))

    def split(self, x: Tensor) -> Tensor:
        """(batch, tokens, qkv) -> (batch, heads, tokens, head_size)."""
        return x.view(*x.shape[:2], self.num_heads, self.head_size).transpose(1, 2)

    def distances(self, tokens: int) -> Tensor:
        """(tokens, tokens, head_size): the table's row for query i and key j."""
        assert self.relative is not None
        most, steps = len(self.relative) // 2, torch.arange(tokens)
        return self.relative[(steps[None, :] - steps[:, None]).clamp(-most, most) + most]

    def learned_operand(self, number: int) -> Tensor:
        """What the quantizer of operand `number` (OPERANDS) has learned."""
        learned = getattr(self, "operand_clip", None)
        learned = getattr(self, "operand_step", None) if learned is None else learned
        return self.query.bias.new_empty(0) if learned is None else learned.view(len(OPERANDS), -1)[number]


class FeedForward(nn.Module):
    """down(act(up(h))) with its post-norm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        kind = config.quantization.encoder
        self.up = Product(config.hidden_size, config.ffn_size, kind, config.quantizer("products"))
        self.down = Product(config.ffn_size, config.hidden_size, kind, config.quantizer("ffn.down"))
        if config.ghost_features:
            self.ghost = GhostFeatures(config.ghost_features, config.hidden_size)
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
            self.pooler = Product(config.hidden_size, config.hidden_size, kinds.pooler, config.quantizer("products"))
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

    def _product(self, product: Product, x: Tensor, keep: Tensor, role: Role, name: str, trace: Trace | None) -> Tensor:
        """An encoder or pooler product of `x`, its input quantized by the quantizer of `role`."""
        quantizer = self.config.quantizer(role)
        if product.kind == "f32" or (quantizer.kind == "dynamic" and quantizer.symmetric and quantizer.bits == 8):
            return product(self._input(x, keep, product.kind, f"{name}.input", trace))  # type: ignore[no-any-return]
        learned = product.learned_input()
        halves = product.halves if quantizer.learned else 1
        quantized = [quantize_offset(x, quantizer, learned[half], keep.unsqueeze(-1)) for half in range(halves)]
        if trace is not None:
            for half, (activation, offset) in enumerate(quantized):
                suffix = "_2" if half else ""
                trace[f"{name}.input.values{suffix}"], trace[f"{name}.input.scale{suffix}"] = activation
                trace[f"{name}.input.offset{suffix}"] = offset
        return product(quantized)  # type: ignore[no-any-return]

    def _operand(self, part: Attention, number: int, x: Tensor, keep: Tensor) -> Tensor:
        """Query, key, value or the attention weights as their product takes them. keep: broadcastable to x."""
        if self.config.attention_quantizer == "none":
            return x
        role: Role = "attention.weights" if OPERANDS[number] == "weights" else "attention.operands"
        return fake_quantize(x, self.config.quantizer(role), part.learned_operand(number), keep)

    def _attend(
        self, h: Tensor, index: int, keep: Tensor, blocked: Tensor, scores: list[Tensor] | None, trace: Trace | None
    ) -> Tensor:
        part: Attention = self.layer[index].attention  # type: ignore[assignment]
        name, kind, config = f"layer.{index}.attention", self.config.quantization.encoder, self.config
        products = config.quantizer("products")
        if products.kind == "dynamic" and products.symmetric and products.bits == 8:  # one input for the three
            x = self._input(h, keep, kind, f"{name}.input", trace)
            projections = [part.query(x), part.key(x), part.value(x)]
        else:
            projections = [
                self._product(getattr(part, which), h, keep, "products", f"{name}.{which}", trace)
                for which in OPERANDS[:3]
            ]
        rows = keep.unsqueeze(-1)
        query, key, value = (self._operand(part, number, x, rows) for number, x in enumerate(projections))
        raw = part.split(query) @ part.split(key).transpose(2, 3)
        distances = part.distances(h.shape[1]) if part.relative is not None else None
        if distances is not None:
            raw = raw + torch.einsum("bhid,ijd->bhij", part.split(query), distances)
        raw = raw * (1.0 / math.sqrt(part.head_size))
        if scores is not None:
            scores.append(raw.float())
        softmax = raw.masked_fill(blocked, float("-inf")).softmax(-1)
        weights = self._operand(part, 3, softmax, rows.unsqueeze(1) * ~blocked)
        if "attention.weights" in config.asymmetric_inputs:
            weights = weights.masked_fill(blocked, 0.0)  # the smallest weight is not 0, but padding's is
        context = weights @ part.split(value)
        if distances is not None:
            context = context + torch.einsum("bhij,ijd->bhid", weights, distances)
        context = context.transpose(1, 2).flatten(2)
        out = product = self._product(part.output, context, keep, "products", f"{name}.output", trace)
        if config.ghost_features:
            out = part.ghost(product, keep)
        normed: Tensor = part.norm(self.dropout(out) + h)
        if trace is not None:
            projected = zip(OPERANDS[:3], projections, (query, key, value), strict=True)
            for which, before, after in projected:
                trace.update({f"{name}.{which}": before, f"{name}.{which}.operand": after})
            trace.update({f"{name}.scores": raw, f"{name}.softmax": softmax, f"{name}.weights": weights})
            trace.update({f"{name}.context": context, f"{name}.output": product, f"{name}.ghost": out})
            trace[f"{name}.norm"] = normed
        return normed

    def _feed_forward(self, h: Tensor, index: int, keep: Tensor, exact: bool, trace: Trace | None) -> Tensor:
        part: FeedForward = self.layer[index].ffn  # type: ignore[assignment]
        name = f"layer.{index}.ffn"
        up = self._product(part.up, h, keep, "products", f"{name}.up", trace)
        active = gelu(up, exact=exact) if self.config.hidden_activation == "gelu" else up.relu()
        out = down = self._product(part.down, active, keep, "ffn.down", f"{name}.down", trace)
        if self.config.ghost_features:
            out = part.ghost(down, keep)
        normed: Tensor = part.norm(self.dropout(out) + h)
        if trace is not None:
            trace.update({f"{name}.up": up, f"{name}.activation": active, f"{name}.down": down})
            trace.update({f"{name}.ghost": out, f"{name}.norm": normed})
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
        # Under autocast logits and scores are bfloat16; losses are computed in float32.
        return BertOutput(intent_logits.float(), slot_logits.float(), hidden if want_hidden else [], scores or [])

    def _heads(self, h: Tensor, keep: Tensor, trace: Trace | None) -> tuple[Tensor, Tensor]:
        config, kinds = self.config, self.config.quantization
        pooled, first = self.dropout(h)[:, :1], keep[:, :1]
        if config.pooler_activation != "none":
            product = self._product(self.pooler, pooled, first, "products", "pooler", trace)
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
