"""Torch MPNet encoder (Song et al. 2020), a teacher only: absolute positions from 2, relative-position bias in every layer.

Parameter names are the stems of docs/artifact_format.md where both networks have the part; `relative_bias` is MPNet's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sottovoce.errors import DataError
from sottovoce.export.spec import Entry, Spec, metadata_size, register_contract

ARCHITECTURE = "mpnet"

# BERT's special tokens in MPNet's vocabulary; every other piece is the same text under another id.
SPECIAL_TOKENS = {"[CLS]": "<s>", "[SEP]": "</s>", "[PAD]": "<pad>", "[MASK]": "<mask>", "[UNK]": "[UNK]"}


@register_contract(ARCHITECTURE)
def mpnet_entries(metadata: Mapping[str, Any]) -> list[Entry]:
    """Return the entries of an encoder. Raises DataError when a size is missing."""

    def size(name: str) -> int:
        return metadata_size(metadata, f"mpnet.{name}")

    hidden, ffn = size("hidden_size"), size("ffn_size")
    entries = [
        Entry("tokenizer.vocab", "bytes", ()),
        Entry("embeddings.word", "embedding", (size("vocab_size"), hidden)),
        Entry("embeddings.position", "embedding", (size("max_positions"), hidden)),
        Entry("relative_bias", "embedding", (size("relative_buckets"), size("num_heads"))),
    ]
    norms = ["embeddings.norm"]
    for layer in range(size("num_layers")):
        entries += [
            Entry(f"layer.{layer}.attention.{name}", "product", (hidden, hidden))
            for name in ("query", "key", "value", "output")
        ]
        entries.append(Entry(f"layer.{layer}.ffn.up", "product", (ffn, hidden)))
        entries.append(Entry(f"layer.{layer}.ffn.down", "product", (hidden, ffn)))
        norms += [f"layer.{layer}.attention.norm", f"layer.{layer}.ffn.norm"]
    if metadata.get("mpnet.pooler"):
        entries.append(Entry("pooler", "product", (hidden, hidden)))
    entries += [Entry(f"{norm}.{part}", "vector", (hidden,)) for norm in norms for part in ("weight", "bias")]
    return entries


@dataclass(frozen=True)
class MpnetConfig:
    """The whole shape of the encoder."""

    num_layers: int
    hidden_size: int
    num_heads: int
    ffn_size: int
    vocab_size: int
    max_positions: int = 514
    relative_buckets: int = 32
    max_distance: int = 128
    layer_norm_epsilon: float = 1e-5
    pad_id: int = 1  # positions count from pad_id + 1


@dataclass
class MpnetOutput:
    """`hidden`: num_layers + 1 of (batch, tokens, hidden_size), the embedding output first; `scores`: num_layers of (batch,
    heads, tokens, tokens), scaled and with the relative bias, before the mask and the softmax."""

    hidden: list[Tensor]
    scores: list[Tensor]


def relative_buckets(tokens: int, num_buckets: int, max_distance: int) -> Tensor:
    """Return the bucket of every pair (query, key) as (tokens, tokens) int64.

    Half of the buckets are for keys after the query; of each half, half are exact distances and the rest grow with the
    logarithm of the distance up to max_distance (Raffel et al. 2020, T5).
    """
    position = torch.arange(tokens)
    distance = position[:, None] - position[None, :]  # query - key
    half = num_buckets // 2
    exact = half // 2
    far = distance.abs()
    # Float32, as the reference implementations have it: a bucket edge may depend on the rounding.
    logarithmic = exact + (
        torch.log(far.clamp_min(1).float() / exact) / math.log(max_distance / exact) * (half - exact)
    ).to(torch.int64)
    bucket = torch.where(far < exact, far, logarithmic.clamp_max(half - 1))
    return bucket + (distance < 0) * half


class _Layer(nn.Module):
    def __init__(self, config: MpnetConfig) -> None:
        super().__init__()
        width, epsilon = config.hidden_size, config.layer_norm_epsilon
        self.attention = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("query", "key", "value", "output")}
            | {"norm": nn.LayerNorm(width, eps=epsilon)}
        )
        self.ffn = nn.ModuleDict(
            {
                "up": nn.Linear(width, config.ffn_size),
                "down": nn.Linear(config.ffn_size, width),
                "norm": nn.LayerNorm(width, eps=epsilon),
            }
        )
        self.num_heads = config.num_heads

    def forward(self, h: Tensor, bias: Tensor, blocked: Tensor) -> tuple[Tensor, Tensor]:
        """h: (batch, tokens, hidden); bias: (heads, tokens, tokens); returns the next h and the scores."""

        def heads(x: Tensor) -> Tensor:
            return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

        query, key, value = (heads(self.attention[name](h)) for name in ("query", "key", "value"))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]) + bias
        weights = scores.masked_fill(blocked, float("-inf")).softmax(-1)
        context = (weights @ value).transpose(1, 2).flatten(2)
        h = self.attention["norm"](self.attention["output"](context) + h)
        inner = functional.gelu(self.ffn["up"](h))
        return self.ffn["norm"](self.ffn["down"](inner) + h), scores


class MpnetEncoder(nn.Module):
    """The encoder; nothing of it is stored in an artifact."""

    def __init__(self, config: MpnetConfig) -> None:
        super().__init__()
        self.config = config
        self.word = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position = nn.Embedding(config.max_positions, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_epsilon)
        self.relative_bias = nn.Embedding(config.relative_buckets, config.num_heads)
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_layers))

    @classmethod
    def from_spec(cls, spec: Spec) -> MpnetEncoder:
        """Return the encoder of an imported model. Raises DataError for another architecture."""
        if spec.architecture != ARCHITECTURE:
            raise DataError(f"architecture: wanted {ARCHITECTURE!r}, found {spec.architecture!r}")
        names = MpnetConfig.__dataclass_fields__
        with torch.device("meta"):  # no time spent on random weights that are replaced at once
            model = cls(MpnetConfig(**{name: spec.metadata[f"mpnet.{name}"] for name in names}))
        tensors = {_module_name(name): torch.from_numpy(array.copy()) for name, array in spec.arrays.items()}
        model.load_state_dict({name: tensors[name] for name in model.state_dict()}, assign=True)
        return model

    def forward(self, ids: Tensor, keep: Tensor | None = None) -> MpnetOutput:
        """ids: (batch, tokens) int64 of MPNet's vocabulary; keep: (batch, tokens), 0 at padding (which ends each row)."""
        keep = (ids != self.config.pad_id).long() if keep is None else keep.long()
        # Real tokens stand at pad_id + 1, pad_id + 2, ...; padding at pad_id.
        positions = keep.cumsum(1) * keep + self.config.pad_id
        h = self.norm(self.word(ids) + self.position(positions))
        buckets = relative_buckets(ids.shape[1], self.config.relative_buckets, self.config.max_distance)
        bias = self.relative_bias(buckets.to(ids.device)).permute(2, 0, 1)
        blocked = (keep == 0)[:, None, None, :]
        output = MpnetOutput([h], [])
        for layer in self.layer:
            h, scores = layer(h, bias, blocked)
            output.hidden.append(h)
            output.scores.append(scores)
        return output


def _module_name(name: str) -> str:
    """`embeddings.word` -> `word.weight`, `embeddings.norm.bias` -> `norm.bias`; layers keep their names."""
    plain = name.removeprefix("embeddings.")
    return f"{plain}.weight" if plain in ("word", "position", "relative_bias") else plain


def piece_ids(bert_pieces: Sequence[str], mpnet_pieces: Sequence[str]) -> Tensor:
    """Return, for every id of a BERT vocabulary, MPNet's id of the same piece, as (bert pieces) int64.

    A student reads ids of BERT's vocabulary; its MPNet teacher reads `piece_ids(...)[ids]`. Pieces that MPNet lacks (BERT's
    `[unused...]`) become its unknown piece.

    Raises:
        DataError: the vocabularies are not of the same family (a special token is missing, or many pieces are).
    """
    index = {piece: number for number, piece in enumerate(mpnet_pieces)}
    missing = [token for token in SPECIAL_TOKENS.values() if token not in index]
    if missing:
        raise DataError(f"MPNet's vocabulary: missing {', '.join(missing)}")
    unknown = index["[UNK]"]
    ids = [index.get(SPECIAL_TOKENS.get(piece, piece), unknown) for piece in bert_pieces]
    ordinary = [number for piece, number in zip(bert_pieces, ids, strict=True) if not piece.startswith("[")]
    lost = sum(number == unknown for number in ordinary)
    if lost > len(ordinary) // 20:
        raise DataError(
            f"MPNet's vocabulary lacks {lost} of {len(ordinary)} pieces of the student's; wanted the same family"
        )
    return torch.tensor(ids)
