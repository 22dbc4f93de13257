"""The contract of `conv-transformer-transducer` (csrc/models/transducer.cc) and the way from a checkpoint of ours to it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sottovoce.audio import Fbank
from sottovoce.errors import DataError
from sottovoce.export.models.language_model import LanguageModel
from sottovoce.export.models.transducer import (
    FAMILY_WEIGHTS,
    Conv,
    ConvSpec,
    Layer,
    Predictor,
    PredictorConfig,
    Product,
    Transducer,
)
from sottovoce.export.spec import Array, Entry, Spec, metadata_size, register_contract

ARCHITECTURE = "conv-transformer-transducer"

INT8: dict[str, str] = dict(FAMILY_WEIGHTS["int8"])


@register_contract(ARCHITECTURE)
def transducer_entries(metadata: Mapping[str, Any]) -> list[Entry]:
    """Return the entries, in file order. Raises DataError when a size is missing or does not fit the others."""

    def size(name: str) -> int:
        return metadata_size(metadata, name)

    entries = [
        Entry("feature.mean", "vector", (size("feature.num_mels"),)),
        Entry("feature.inverse_std", "vector", (size("feature.num_mels"),)),
    ]
    channels, freq, width = 1, size("feature.num_mels"), 0
    for block in range(size("encoder.num_blocks")):
        prefix = f"encoder.{block}."
        for index, text in enumerate(metadata[f"{prefix}convs"]):
            try:
                conv = ConvSpec.parse(text)
            except ValueError as error:
                raise DataError(f"{prefix}convs: {error}") from None
            if not conv.kernel_freq:
                channels, freq = channels * (freq or 1), 0
            inputs = conv.kernel_time * (conv.kernel_freq or 1) * channels
            family = "front" if conv.kernel_freq or not block + index else "encoder"
            entries.append(Entry(f"{prefix}conv.{index}", "product", (conv.channels, inputs), family))
            channels, freq = conv.channels, (freq - 1) // conv.stride_freq + 1 if freq else 0
        width = size(f"{prefix}model_dim")
        if (channels, freq) != (width, 0):
            raise DataError(
                f"{prefix}convs: wanted a last conv1d of {width} channels, found {metadata[f'{prefix}convs'][-1]}"
            )
        entries += _layers(metadata, prefix, size(f"{prefix}num_kv_heads"))
    entries += _norm("encoder.norm", width)
    vocab, predictor, joiner = len(metadata["tokenizer.pieces"]), size("predictor.model_dim"), size("joiner.dim")
    entries += [
        *_label_network(metadata, "predictor.", vocab),
        Entry("joiner.encoder", "product", (joiner, width), "heads"),
        Entry("joiner.predictor", "product", (joiner, predictor), "heads", bias=False),
        Entry("joiner.output", "product", (vocab, joiner), "heads"),
    ]
    if f"{_LANGUAGE}embedding_dim" in metadata:
        output = Entry(f"{_LANGUAGE}output", "product", (vocab, size(f"{_LANGUAGE}model_dim")))
        for entry in (*_label_network(metadata, _LANGUAGE, vocab), output):
            entries.append(entry if entry.kind == "vector" else dataclasses.replace(entry, family="language"))
    return entries


_LANGUAGE = "language_model."


def _label_network(metadata: Mapping[str, Any], prefix: str, vocab: int) -> list[Entry]:
    embedding, width = (metadata_size(metadata, f"{prefix}{name}") for name in ("embedding_dim", "model_dim"))
    return [
        Entry(f"{prefix}embedding", "embedding", (vocab, embedding), "word"),
        Entry(f"{prefix}input", "product", (width, embedding)),
        *_layers(metadata, prefix, metadata_size(metadata, f"{prefix}num_heads")),
        *_norm(f"{prefix}norm", width),
    ]


def _norm(stem: str, width: int) -> list[Entry]:
    return [Entry(f"{stem}.weight", "vector", (width,)), Entry(f"{stem}.bias", "vector", (width,))]


def _layers(metadata: Mapping[str, Any], prefix: str, kv_heads: int) -> list[Entry]:
    width, ffn = (metadata_size(metadata, f"{prefix}{name}") for name in ("model_dim", "ffn_size"))
    head = metadata_size(metadata, f"{prefix}head_size")
    query, key = metadata_size(metadata, f"{prefix}num_heads") * head, kv_heads * head
    position = metadata.get(f"{prefix}position", "learned_relative")
    if position not in ("learned_relative", "transformer_xl"):
        raise DataError(f"{prefix}position: wanted learned_relative or transformer_xl, found {position!r}")
    count = metadata[f"{prefix}num_layers"]
    contexts = metadata.get(f"{prefix}left_context", []), metadata.get(f"{prefix}right_context", [0] * count)
    for name, found in zip(("left", "right"), contexts, strict=True):
        if len(found) != count:
            raise DataError(f"{prefix}{name}_context: wanted {count} entries, found {len(found)}")
    entries = []
    for layer, (left, right) in enumerate(zip(*contexts, strict=True)):
        stem = f"{prefix}layer.{layer}."
        entries += [
            Entry(f"{stem}attention.query", "product", (query, width)),
            Entry(f"{stem}attention.key", "product", (key, width)),
            Entry(f"{stem}attention.value", "product", (key, width)),
            Entry(f"{stem}attention.output", "product", (width, query)),
            *_norm(f"{stem}attention.norm", width),
            *_positions(stem, position, left + right + 1, query, width, head),
            Entry(f"{stem}ffn.up", "product", (ffn, width)),
            Entry(f"{stem}ffn.down", "product", (width, ffn)),
            *_norm(f"{stem}ffn.norm", width),
        ]
    return entries


def _positions(stem: str, kind: str, window: int, query: int, width: int, head: int) -> list[Entry]:
    if kind == "learned_relative":
        return [Entry(f"{stem}attention.relative", "vector", (window, head))]
    return [
        Entry(f"{stem}attention.position", "product", (query, width), bias=False),
        Entry(f"{stem}attention.content_bias", "vector", (query // head, head)),
        Entry(f"{stem}attention.position_bias", "vector", (query // head, head)),
    ]


def transducer_spec(
    model: Transducer,
    pieces: list[str],
    piece_kind: str,
    feature_preset: str,
    piece_scores: Sequence[float] = (),
    fusion: Fusion | None = None,
) -> Spec:
    """Return a trained network as named arrays, batch norm folded, and its metadata.

    Args:
        model: in eval mode.
        pieces: by id, the first one the blank.
        piece_kind: `bpe`, `unigram` or `char`.
        feature_preset: of `sottovoce.audio.Fbank`.
        piece_scores: of each piece, its log probability; `unigram` alone needs and stores them.
        fusion: a language model over the same pieces, for beam search.

    Raises:
        DataError: vocabulary or features do not fit the network.
    """
    config = model.config
    settings = Fbank(feature_preset).settings
    if len(pieces) != config.vocab_size or settings["num_mels"] != config.num_mels:
        raise DataError(
            f"transducer: wanted {config.vocab_size} pieces and {config.num_mels} mels, found {len(pieces)} and "
            f"{settings['num_mels']}"
        )
    scores = [float(score) for score in piece_scores] if piece_kind == "unigram" else []
    if piece_kind == "unigram" and len(scores) != len(pieces):
        raise DataError(
            f"transducer: a unigram vocabulary of {len(pieces)} pieces wanted as many scores, found {len(scores)}"
        )
    metadata: dict[str, Any] = {"feature.preset": feature_preset}
    metadata |= {f"feature.{key}": value for key, value in settings.items()}
    metadata |= {"encoder.num_blocks": len(config.blocks), "encoder.norm_epsilon": config.norm_epsilon}
    for number, block in enumerate(config.blocks):
        metadata |= {
            f"encoder.{number}.convs": list(block.convs),
            f"encoder.{number}.num_layers": block.num_layers,
            f"encoder.{number}.model_dim": block.model_dim,
            f"encoder.{number}.num_heads": block.num_heads,
            f"encoder.{number}.num_kv_heads": block.kv_heads,
            f"encoder.{number}.head_size": block.head_size,
            f"encoder.{number}.ffn_size": block.ffn_size,
            f"encoder.{number}.left_context": list(block.left_context),
            f"encoder.{number}.position": block.position,
        }
        if any(block.right):
            metadata[f"encoder.{number}.right_context"] = list(block.right)
        if block.activation != "relu":
            metadata[f"encoder.{number}.activation"] = block.activation
        if block.cycle:
            metadata[f"encoder.{number}.cycle"] = block.cycle
    metadata |= _label_metadata("predictor.", config.predictor)
    metadata |= {
        "joiner.dim": config.joiner_dim,
        "tokenizer.kind": "sentencepiece",
        "tokenizer.model": piece_kind,
        "tokenizer.pieces": pieces,
        "tokenizer.scores": scores,
    }
    arrays = _arrays(model)
    if fusion is not None:
        shape = fusion.model.config
        if shape.vocab_size != len(pieces) or not math.isclose(shape.norm_epsilon, config.norm_epsilon, rel_tol=1e-6):
            raise DataError(
                f"language model: wanted {len(pieces)} pieces and norm_epsilon {config.norm_epsilon}, found "
                f"{shape.vocab_size} and {shape.norm_epsilon}"
            )
        metadata |= _label_metadata(_LANGUAGE, shape.network)
        for name in ("scale", "internal", "bonus"):
            metadata[f"{_LANGUAGE}{name}"] = float(getattr(fusion, name))
        with torch.no_grad():
            _add_label_network(arrays, _LANGUAGE, fusion.model.predictor)
            _add(arrays, f"{_LANGUAGE}output", fusion.model.output)
    return Spec(ARCHITECTURE, metadata, arrays, dict(INT8))


@dataclass(frozen=True)
class Fusion:
    """A language model in beam search: a piece gets scale x (log P(piece) - internal x log P by the predictor alone) + bonus.

    What the predictor has learned of language from transcripts shows where the encoder gives zeros (Meng et al., 2021).
    """

    model: LanguageModel
    scale: float = 0.5
    internal: float = 0.5
    bonus: float = 0.5


def _label_metadata(prefix: str, p: PredictorConfig) -> dict[str, Any]:
    return {
        f"{prefix}embedding_dim": p.embedding_dim,
        f"{prefix}model_dim": p.model_dim,
        f"{prefix}num_layers": p.num_layers,
        f"{prefix}num_heads": p.num_heads,
        f"{prefix}head_size": p.head_size,
        f"{prefix}ffn_size": p.ffn_size,
        f"{prefix}left_context": list(p.left_context),
        f"{prefix}position": p.position,
    }


@torch.no_grad()
def _arrays(model: Transducer) -> dict[str, Array]:
    arrays: dict[str, Array] = {"feature.mean": model.mean.numpy(), "feature.inverse_std": model.inverse_std.numpy()}
    for number, block in enumerate(model.encoder.blocks):
        assert isinstance(block, torch.nn.ModuleDict)
        for index, conv in enumerate(block["convs"].children()):
            assert isinstance(conv, Conv)
            weight, bias = conv.folded()
            arrays[f"encoder.{number}.conv.{index}.weight"] = weight.numpy()
            arrays[f"encoder.{number}.conv.{index}.bias"] = bias.numpy()
        _add_layers(arrays, f"encoder.{number}.", block["layers"])
    _add(arrays, "encoder.norm", model.encoder.norm)
    _add_label_network(arrays, "predictor.", model.predictor)
    for name in ("encoder", "predictor", "output"):
        _add(arrays, f"joiner.{name}", getattr(model.joiner, name))
    return arrays


def _add_label_network(arrays: dict[str, Array], prefix: str, network: Predictor) -> None:
    arrays[f"{prefix}embedding"] = network.embedding.weight.numpy()
    _add(arrays, f"{prefix}input", network.input)
    _add_layers(arrays, prefix, network.layers)
    _add(arrays, f"{prefix}norm", network.norm)


def _add(arrays: dict[str, Array], stem: str, module: Product | torch.nn.LayerNorm) -> None:
    arrays[f"{stem}.weight"] = module.weight.numpy()
    if module.bias is not None:
        arrays[f"{stem}.bias"] = module.bias.numpy()


def _add_layers(arrays: dict[str, Array], prefix: str, layers: torch.nn.Module) -> None:
    for number, layer in enumerate(layers.children()):
        assert isinstance(layer, Layer)
        stem = f"{prefix}layer.{number}."
        for name in ("query", "key", "value", "output"):
            _add(arrays, f"{stem}attention.{name}", getattr(layer, name))
        _add(arrays, f"{stem}ffn.up", layer.up)
        _add(arrays, f"{stem}ffn.down", layer.down)
        _add(arrays, f"{stem}attention.norm", layer.attention_norm)
        _add(arrays, f"{stem}ffn.norm", layer.ffn_norm)
        if layer.position_kind == "learned_relative":
            arrays[f"{stem}attention.relative"] = layer.relative.numpy()
        else:
            _add(arrays, f"{stem}attention.position", layer.position)
            arrays[f"{stem}attention.content_bias"] = layer.content_bias.numpy()
            arrays[f"{stem}attention.position_bias"] = layer.position_bias.numpy()
