"""The Conv-Transformer Transducer (Huang et al., Interspeech 2020): torch reference of docs/artifact_format.md.

Streaming in C++ is bit-equal to this offline definition because both treat edges alike: left of the start every
convolution sees zero activations, right of the end the *features* go on for `look_ahead` normalised-zero frames and the
convolutions are "valid"; attention sees `left_context` frames back and none ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sottovoce.export.compress.fake_quant import fake_quant_rows, quantize_activation, quantized_product
from sottovoce.export.compress.quantized_convolution import quantized_convolution
from sottovoce.export.compress.quantized_rows import WeightKind

BLANK = 0  # also the start symbol of the predictor

PositionKind = Literal["learned_relative", "transformer_xl"]
Activation = Literal["relu", "gelu"]
MIN_QUERY_BLOCK = 32  # queries that attention computes together at least
CONV_ACTIVATIONS = ("none", "relu", "gelu")  # by their number in a convolution's text

# How each family of weights is stored and computed. `front` are the first convolution and all 2-D ones, `heads` the joiner's
# products, `word` the label embedding, `language` all of the language model, `encoder` every other product (the predictor's too).
# The ends of a ternary network stay int8: they are small, and what they lose no later layer mends.
FAMILY_WEIGHTS: dict[WeightKind, dict[str, WeightKind]] = {
    "f32": {"front": "f32", "encoder": "f32", "heads": "f32", "word": "f32", "language": "f32"},
    "int8": {"front": "int8", "encoder": "int8", "heads": "int8", "word": "int8", "language": "int8"},
    "ternary": {"front": "int8", "encoder": "ternary", "heads": "int8", "word": "int8", "language": "int8"},
}


@dataclass(frozen=True)
class ConvSpec:
    """One convolution of a block. A 1-D one has `kernel_freq` 0."""

    kernel_time: int
    kernel_freq: int
    stride_time: int
    stride_freq: int
    channels: int
    activation: Literal["none", "relu", "gelu"]

    @staticmethod
    def parse(text: str) -> ConvSpec:
        """Read `conv2d:kt,kf,st,sf,channels,activation` or `conv1d:kt,st,channels,activation`; ValueError when it is neither.

        activation: 0 none, 1 ReLU, 2 GELU.
        """
        kind, _, numbers = text.partition(":")
        try:
            values = [int(number) for number in numbers.split(",")]
        except ValueError:
            values = []
        if len(values) != {"conv2d": 6, "conv1d": 4}.get(kind) or not 0 <= values[-1] < len(CONV_ACTIVATIONS):
            raise ValueError(
                f"convolution {text!r}: wanted conv2d:kt,kf,st,sf,channels,activation or conv1d:kt,st,channels,activation, "
                "activation 0 (none), 1 (ReLU) or 2 (GELU)"
            )
        activation: Any = CONV_ACTIVATIONS[values[-1]]
        if kind == "conv2d":
            spec = ConvSpec(values[0], values[1], values[2], values[3], values[4], activation)
        else:
            spec = ConvSpec(values[0], 0, values[1], 0, values[2], activation)
        if spec.kernel_time % 2 == 0 or (kind == "conv2d" and spec.kernel_freq % 2 == 0):
            raise ValueError(f"convolution {text!r}: kernels are centred, so their sizes must be odd")
        return spec


@dataclass(frozen=True)
class BlockConfig:
    """Convolutions, then causal Transformer layers."""

    convs: tuple[str, ...]
    num_layers: int
    model_dim: int
    num_heads: int
    head_size: int
    ffn_size: int
    left_context: tuple[int, ...]  # frames, one a layer
    num_kv_heads: int = 0  # 0: as many as heads; 1: multi-query
    position: PositionKind = "learned_relative"
    right_context: tuple[int, ...] = ()  # frames a layer sees ahead, one a layer; empty: none
    activation: Activation = "relu"  # of the feed-forward networks
    cycle: int = (
        0  # frames after which the sinusoids that are added after the convolutions begin again; 0: none are added
    )

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return self.num_kv_heads or self.num_heads

    @property
    def right(self) -> tuple[int, ...]:
        """Frames ahead, one a layer."""
        return self.right_context or (0,) * self.num_layers


@dataclass(frozen=True)
class PredictorConfig:
    """Label history: embedding, projection, causal Transformer layers."""

    embedding_dim: int
    model_dim: int
    num_layers: int
    num_heads: int
    head_size: int
    ffn_size: int
    left_context: tuple[int, ...]  # labels, one a layer
    position: PositionKind = "learned_relative"


@dataclass(frozen=True)
class TransducerConfig:
    """All of the network but its vocabulary's pieces. Defaults: `micro`, 80 ms a frame, 70 ms look-ahead."""

    blocks: tuple[BlockConfig, ...] = (
        BlockConfig(("conv2d:3,7,2,2,24,1", "conv2d:3,5,2,2,24,1", "conv1d:1,1,128,0"), 1, 128, 4, 32, 384, (24,)),
        BlockConfig(("conv1d:3,2,256,1", "conv1d:1,1,160,0"), 5, 160, 4, 40, 480, (24, 24, 24, 32, 32)),
    )
    predictor: PredictorConfig = field(default_factory=lambda: PredictorConfig(96, 160, 1, 4, 40, 320, (8,)))
    joiner_dim: int = 160
    vocab_size: int = 256
    num_mels: int = 80
    norm_epsilon: float = 1e-5
    dropout: float = 0.0  # in Transformer layers; 0.1 in the paper, where each utterance is seen many times

    @property
    def stride(self) -> int:
        """Feature frames an encoder frame."""
        return math.prod(conv.stride_time for conv in self.conv_specs())

    @property
    def look_ahead(self) -> int:
        """Feature frames right of `stride * t` that encoder frame t depends on."""
        reach, step = 0, 1
        for block in self.blocks:
            for conv in map(ConvSpec.parse, block.convs):
                reach += (conv.kernel_time - 1) // 2 * step
                step *= conv.stride_time
            reach += sum(block.right) * step
        return reach

    def conv_specs(self) -> list[ConvSpec]:
        """All convolutions, in order."""
        return [ConvSpec.parse(text) for block in self.blocks for text in block.convs]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON and checkpoints."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> TransducerConfig:
        """Undo `to_dict`, also after JSON made lists of tuples."""
        values = dict(values)

        def tupled(entry: dict[str, Any]) -> dict[str, Any]:
            return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}

        values["blocks"] = tuple(BlockConfig(**tupled(block)) for block in values["blocks"])
        values["predictor"] = PredictorConfig(**tupled(values["predictor"]))
        return TransducerConfig(**values)


class Product(nn.Linear):
    """y = W x + b. Kinds int8 and ternary compute it as the runtime does: activations quantized a row, weights a row."""

    kind: WeightKind = "f32"

    def forward(self, input: Tensor) -> Tensor:
        """input: (..., inputs) -> (..., outputs)."""
        if self.kind == "f32":
            return super().forward(input)
        return quantized_product(quantize_activation(input.float()), self.weight, self.bias, self.kind)


class Conv(nn.Module):
    """A centred convolution over time (and frequency), batch norm, perhaps ReLU or GELU; (batch, channels, time[, freq])."""

    kind: WeightKind = "f32"

    def __init__(self, spec: ConvSpec, in_channels: int, *, first: bool = False) -> None:
        super().__init__()
        self.spec = spec
        self.family = "front" if first or spec.kernel_freq else "encoder"  # of FAMILY_WEIGHTS
        self.conv: nn.Conv1d | nn.Conv2d
        self.norm: nn.BatchNorm1d | nn.BatchNorm2d
        if spec.kernel_freq:
            kernel, stride = (spec.kernel_time, spec.kernel_freq), (spec.stride_time, spec.stride_freq)
            self.conv = nn.Conv2d(in_channels, spec.channels, kernel, stride, bias=False)
            self.norm = nn.BatchNorm2d(spec.channels)
        else:
            self.conv = nn.Conv1d(in_channels, spec.channels, spec.kernel_time, spec.stride_time, bias=False)
            self.norm = nn.BatchNorm1d(spec.channels)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the product this convolution is at run time, batch norm folded in.

        weight (channels, kernel_time x [kernel_freq x] channels_in), oldest frame first, channel fastest; bias (channels).
        """
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = self.conv.weight.movedim(1, -1).flatten(1) * factor.unsqueeze(1)
        return weight, norm.bias - norm.running_mean * factor

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels_in, time[, freq]); zeros enter on the left, time is "valid" on the right."""
        left, side = (self.spec.kernel_time - 1) // 2, (self.spec.kernel_freq - 1) // 2
        x = F.pad(x, (side, side, left, 0) if self.spec.kernel_freq else (left, 0))
        x = self.norm(self.conv(x)) if self.kind == "f32" else self._quantized(x)
        return x if self.spec.activation == "none" else ACTIVATIONS[self.spec.activation](x)

    def _quantized(self, x: Tensor) -> Tensor:
        weight, bias = self.folded()
        spec, flat = self.spec, not self.spec.kernel_freq
        kernel, stride = (spec.kernel_time, spec.kernel_freq or 1), (spec.stride_time, spec.stride_freq or 1)
        y = quantized_convolution(x.unsqueeze(-1) if flat else x, weight, bias, kernel, stride, self.kind)
        return y.squeeze(-1) if flat else y


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


def absolute_sinusoids(count: int, width: int) -> Tensor:
    """Return the positions 0 .. count - 1 of Whisper, (count, width) float32: sines, then cosines.

    Entry i of either half is of the angle p / 10000^(i / (width / 2 - 1)), computed in double precision.
    """
    powers = torch.arange(width // 2, dtype=torch.float64) / (width // 2 - 1)
    angles = torch.arange(count, dtype=torch.float64).unsqueeze(1) / torch.pow(torch.tensor(10000.0).double(), powers)
    return torch.cat([angles.sin(), angles.cos()], 1).float()


def sinusoids(count: int, width: int) -> Tensor:
    """Return the positions 0 .. count - 1 of Transformer-XL, (count, width) float32: sines, then cosines.

    Entry i of either half is of the angle p / 10000^(2 i / width), computed in double precision.
    """
    powers = torch.arange(0, width, 2, dtype=torch.float64) / width
    angles = torch.arange(count, dtype=torch.float64).unsqueeze(1) / torch.pow(torch.tensor(10000.0).double(), powers)
    return torch.cat([angles.sin(), angles.cos()], 1).float()


class Layer(nn.Module):
    """Pre-norm Transformer layer with limited context and relative positions; (batch, time, model_dim).

    `learned_relative` has a table for each distance, shared by heads; `transformer_xl` (Dai et al., 2019) projects sinusoids
    of the distance and has a bias a head for contents (u) and for positions (v):
    score(i, j) = ((q_i + u) . k_j + (q_i + v) . r_{i-j}) / sqrt(head_size).
    Distances are counted back from the newest frame that is seen: with `right` frames ahead, i - j is `right` less.
    """

    sinusoids: Tensor  # (left + right + 1, model_dim), row d: d frames back

    def __init__(
        self,
        model_dim: int,
        heads: int,
        kv_heads: int,
        head_size: int,
        ffn: int,
        left: int,
        epsilon: float,
        dropout: float,
        position: PositionKind = "learned_relative",
        right: int = 0,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if kv_heads < 1 or heads % kv_heads:
            raise ValueError(f"layer: wanted key-value heads that divide {heads} heads, got {kv_heads}")
        if position not in ("learned_relative", "transformer_xl"):
            raise ValueError(f"layer: wanted position learned_relative or transformer_xl, got {position!r}")
        if position == "transformer_xl" and model_dim % 2:
            raise ValueError(f"layer: wanted an even width for sines and cosines, got {model_dim}")
        self.heads, self.kv_heads, self.head_size, self.left, self.right = heads, kv_heads, head_size, left, right
        self.activation = activation
        self.position_kind = position
        self.attention_norm = nn.LayerNorm(model_dim, epsilon)
        self.query = Product(model_dim, heads * head_size)
        self.key = Product(model_dim, kv_heads * head_size)
        self.value = Product(model_dim, kv_heads * head_size)
        self.output = Product(heads * head_size, model_dim)
        if position == "learned_relative":
            self.relative = nn.Parameter(torch.randn(left + right + 1, head_size) * 0.02)  # row d: d frames back
        else:
            self.position = Product(model_dim, heads * head_size, bias=False)
            self.content_bias = nn.Parameter(torch.zeros(heads, head_size))
            self.position_bias = nn.Parameter(torch.zeros(heads, head_size))
            self.register_buffer("sinusoids", sinusoids(left + right + 1, model_dim), persistent=False)
        self.ffn_norm = nn.LayerNorm(model_dim, epsilon)
        self.up = Product(model_dim, ffn)
        self.down = Product(ffn, model_dim)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():  # what a layer adds starts small beside what it got
            self.output.weight *= 0.4
            self.down.weight *= 0.4

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, model_dim) -> (batch, time - right, model_dim); frame i sees frames i - left .. i + right."""
        x = x[:, : x.shape[1] - self.right] + self.dropout(self._attend(self.attention_norm(x)))
        hidden = self.down(self.dropout(ACTIVATIONS[self.activation](self.up(self.ffn_norm(x)))))
        out: Tensor = x + self.dropout(hidden)
        return out

    def _attend(self, x: Tensor) -> Tensor:
        """Attend block by block: `size` queries share the `left + size + right` frames that one of them sees."""
        batch, time, _ = x.shape
        outputs, left = time - self.right, min(self.left, time - 1)
        span = left + self.right + 1
        size = min(max(span, MIN_QUERY_BLOCK), outputs)
        blocks = -(-outputs // size)
        rest = blocks * size - outputs
        q = F.pad(self._split(self.query(x[:, :outputs]), self.heads), (0, 0, 0, rest))
        q = q.view(batch, self.heads, blocks, size, self.head_size)
        k = self._windows(self.key(x), left, rest, size)  # (batch, heads, blocks, head_size, window)
        v = self._windows(self.value(x), left, rest, size)
        by_content = q if self.position_kind == "learned_relative" else q + self.content_bias[:, None, None]
        scores = (by_content @ k + self._relative_scores(q, span)) / math.sqrt(self.head_size)
        query = torch.arange(size, device=x.device).unsqueeze(1)
        frame = torch.arange(size + span - 1, device=x.device)  # in the window, whose first is block * size - left
        begins = left - size * torch.arange(blocks, device=x.device).view(-1, 1, 1)  # where frame 0 of the input stands
        scores = scores.masked_fill((frame < query) | (frame >= query + span) | (frame < begins), -math.inf)
        context = (scores.softmax(-1) @ v.transpose(-1, -2)).flatten(2, 3)[:, :, :outputs]
        attended: Tensor = self.output(context.transpose(1, 2).reshape(batch, outputs, -1))
        return attended

    def _split(self, x: Tensor, heads: int) -> Tensor:
        """x: (batch, time, heads x head_size) -> (batch, heads, time, head_size)."""
        return x.view(*x.shape[:-1], heads, self.head_size).transpose(1, 2)

    def _windows(self, x: Tensor, left: int, rest: int, size: int) -> Tensor:
        """x: (batch, time, kv_heads x head_size) -> (batch, heads, blocks, head_size, left + size + right), zeros outside."""
        heads = self._split(x, self.kv_heads).repeat_interleave(self.heads // self.kv_heads, 1)
        return F.pad(heads, (0, 0, left, rest)).unfold(2, left + size + self.right, size)

    def _relative_scores(self, q: Tensor, span: int) -> Tensor:
        """Return s[a, b] = q_a . r[a + span - 1 - b], any value where that is masked; (batch, heads, blocks, size, window).

        q: (batch, heads, blocks, size, head_size).
        """
        if self.position_kind == "learned_relative":
            table = self.relative[:span].expand(self.heads, -1, -1)
        else:
            table = self._split(self.position(self.sinusoids[:span]).unsqueeze(0), self.heads).squeeze(0)
            q = q + self.position_bias[:, None, None]
        size = q.shape[-2]
        scores = q @ table.flip(1).transpose(-1, -2).unsqueeze(1)  # column m: span - 1 - m frames back from the newest
        skewed = F.pad(scores, (0, size)).flatten(-2)[..., :-size]  # the skew of Transformer-XL: row a moves by a
        return skewed.reshape(*q.shape[:-1], size + span - 1)


class Encoder(nn.Module):
    """Blocks of convolutions and Transformer layers, one final norm."""

    def __init__(self, config: TransducerConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList()
        channels, freq = 1, config.num_mels  # freq 0: already flattened
        for block in config.blocks:
            convs = nn.ModuleList()
            for spec in map(ConvSpec.parse, block.convs):
                if spec.kernel_freq and not freq:
                    raise ValueError("encoder: a conv2d after a conv1d")
                if not spec.kernel_freq and freq:
                    channels, freq = channels * freq, 0
                convs.append(Conv(spec, channels, first=not len(self.blocks) and not len(convs)))
                channels = spec.channels
                freq = (freq - 1) // spec.stride_freq + 1 if freq else 0
            if block.cycle and block.model_dim % 2:
                raise ValueError(f"encoder: wanted an even width for sines and cosines, got {block.model_dim}")
            if len(block.right) != block.num_layers:
                raise ValueError(f"encoder: wanted {block.num_layers} right contexts, got {len(block.right)}")
            if freq or channels != block.model_dim or len(block.left_context) != block.num_layers:
                raise ValueError(
                    f"encoder: a block of {block.num_layers} layers of width {block.model_dim} wanted a last conv1d of that "
                    f"width and as many left contexts, got {channels} channels and {len(block.left_context)}"
                )
            layers = nn.ModuleList(
                Layer(
                    *(block.model_dim, block.num_heads, block.kv_heads, block.head_size, block.ffn_size, left),
                    config.norm_epsilon,
                    config.dropout,
                    block.position,
                    right,
                    block.activation,
                )
                for left, right in zip(block.left_context, block.right, strict=True)
            )
            self.blocks.append(nn.ModuleDict({"convs": convs, "layers": layers}))
        self.norm = nn.LayerNorm(config.blocks[-1].model_dim, config.norm_epsilon)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode normalised features, zero beyond each length.

        features: (batch, frames, mels); lengths: (batch) -> (batch, ceil(frames / stride), model_dim), lengths of these.
        """
        stride = self.config.stride
        x = F.pad(features, (0, 0, 0, self.config.look_ahead)).unsqueeze(1)  # (batch, 1, frames, mels)
        for block, shape in zip(self.blocks, self.config.blocks, strict=True):
            assert isinstance(block, nn.ModuleDict)
            convs, layers = block["convs"], block["layers"]
            assert isinstance(convs, nn.ModuleList) and isinstance(layers, nn.ModuleList)
            for conv in convs:
                assert isinstance(conv, Conv)
                if x.dim() == 4 and not conv.spec.kernel_freq:
                    x = x.transpose(2, 3).flatten(1, 2)  # channel-major
                x = conv(x)
            x = x.transpose(1, 2)
            if shape.cycle:
                x = x + self._positions(x, shape.cycle)
            for layer in layers:
                x = layer(x)
            x = x.transpose(1, 2)
        x = x.transpose(1, 2)[:, : -(-features.shape[1] // stride)]
        return self.norm(x), (lengths + stride - 1).div(stride, rounding_mode="floor")

    def _positions(self, x: Tensor, cycle: int) -> Tensor:
        """Return what to add to x (batch, time, width): sinusoids from 0 on, while training from anywhere in the cycle."""
        table = absolute_sinusoids(cycle, x.shape[2])
        start = torch.randint(cycle, (len(x), 1)) if self.training else torch.zeros(len(x), 1, dtype=torch.long)
        return table[(start + torch.arange(x.shape[1])) % cycle]


class Predictor(nn.Module):
    """What labels came so far."""

    kind: WeightKind = "f32"

    def __init__(self, p: PredictorConfig, vocab_size: int, norm_epsilon: float, dropout: float = 0.0) -> None:
        super().__init__()
        if len(p.left_context) != p.num_layers:
            raise ValueError(f"predictor: wanted {p.num_layers} left contexts, got {len(p.left_context)}")
        self.embedding = nn.Embedding(vocab_size, p.embedding_dim)
        self.input = Product(p.embedding_dim, p.model_dim)
        self.layers = nn.ModuleList(
            Layer(
                p.model_dim,
                p.num_heads,
                p.num_heads,
                p.head_size,
                p.ffn_size,
                left,
                norm_epsilon,
                dropout,
                p.position,
            )
            for left in p.left_context
        )
        self.norm = nn.LayerNorm(p.model_dim, norm_epsilon)

    def forward(self, labels: Tensor) -> Tensor:
        """labels: (batch, count), the first one blank -> (batch, count, model_dim)."""
        x = self.input(F.embedding(labels, fake_quant_rows(self.embedding.weight, self.kind)))
        for layer in self.layers:
            x = layer(x)
        normed: Tensor = self.norm(x)
        return normed


class Joiner(nn.Module):
    """Logits of the next symbol: output(relu(encoder(e) + predictor(p)))."""

    def __init__(self, config: TransducerConfig) -> None:
        super().__init__()
        self.encoder = Product(config.blocks[-1].model_dim, config.joiner_dim)
        self.predictor = Product(config.predictor.model_dim, config.joiner_dim, bias=False)
        self.output = Product(config.joiner_dim, config.vocab_size)

    def forward(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """encoded, predicted: projected already, (..., joiner_dim), broadcastable -> (..., vocab_size)."""
        logits: Tensor = self.output(F.relu(encoded + predicted))
        return logits


class Transducer(nn.Module):
    """Encoder, predictor, joiner and the global feature normalisation."""

    mean: Tensor  # (mels)
    inverse_std: Tensor  # (mels)

    def __init__(self, config: TransducerConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.num_mels))
        self.register_buffer("inverse_std", torch.ones(config.num_mels))
        self.encoder = Encoder(config)
        self.predictor = Predictor(config.predictor, config.vocab_size, config.norm_epsilon, config.dropout)
        self.joiner = Joiner(config)

    def set_weights(self, weights: WeightKind | Mapping[str, WeightKind]) -> None:
        """Compute every product from now on with float (`f32`) or fake-quantized weights and activations.

        weights: a row of FAMILY_WEIGHTS by its name, or the kind of each family; families left out are f32.
        """
        kinds = FAMILY_WEIGHTS[weights] if isinstance(weights, str) else weights
        unknown = set(kinds) - set(FAMILY_WEIGHTS["f32"])
        if unknown:
            raise ValueError(f"weights: wanted families {', '.join(FAMILY_WEIGHTS['f32'])}, got {sorted(unknown)}")
        for name, module in self.named_modules():
            if isinstance(module, Predictor):
                module.kind = kinds.get("word", "f32")
            elif isinstance(module, Conv):
                module.kind = kinds.get(module.family, "f32")
            elif isinstance(module, Product):
                module.kind = kinds.get("heads" if name.startswith("joiner.") else "encoder", "f32")

    def normalize(self, features: Tensor) -> Tensor:
        """Log-mel features (..., mels) to zero mean and unit variance over the training set."""
        return (features - self.mean) * self.inverse_std

    def join(self, encoded: Tensor, targets: Tensor) -> Tensor:
        """Return the logits of every frame after every prefix of the labels.

        encoded: (batch, frames, model_dim); targets: (batch, labels) -> (batch, frames, labels + 1, vocab).
        """
        predicted = self.predictor(F.pad(targets, (1, 0), value=BLANK))
        logits: Tensor = self.joiner(
            self.joiner.encoder(encoded).unsqueeze(2), self.joiner.predictor(predicted).unsqueeze(1)
        )
        return logits

    def forward(self, normalized: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Encode and join.

        normalized: (batch, frames, mels), zero beyond each of lengths (batch); targets: (batch, labels).
        Returns logits (batch, encoder frames, labels + 1, vocab) and the encoder frames of each (batch).
        """
        encoded, encoded_lengths = self.encoder(normalized, lengths)
        return self.join(encoded, targets), encoded_lengths
