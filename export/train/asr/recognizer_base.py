"""What adaptation starts from: a checkpoint of ours, or a recognizer's artifact turned back into one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentencepiece import sentencepiece_model_pb2 as pb
from torch import Tensor

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.models.transducer import BlockConfig, Conv, PredictorConfig, Transducer, TransducerConfig
from sottovoce.export.spec import contract
from sottovoce.export.spec_transducer import ARCHITECTURE
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.models import resolve

PLAIN_NORMS = "plain"  # in settings: batch norms that only add a bias; their statistics must stay as they are
_BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")


def load_recognizer_base(name_or_path: str) -> Checkpoint:
    """Open checkpoint.pt, an artifact or a bundled model.

    Raises:
        ModelNotFoundError, DataError: as `Checkpoint.load` and `models.resolve`.
        UnsupportedError: an artifact of another kind.
    """
    if name_or_path.endswith(".pt"):
        return Checkpoint.load(Path(name_or_path))
    return artifact_checkpoint(resolve(name_or_path))


def artifact_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Return a recognizer's artifact as a checkpoint without training state; batch norms are plain biases."""
    stored = ArtifactWeights(path, ARCHITECTURE)
    metadata = stored.metadata
    arrays: dict[str, Tensor] = {}
    for entry in contract(ARCHITECTURE, metadata):
        if entry.kind == "vector":
            arrays[entry.name] = torch.from_numpy(stored.plain(entry.name).reshape(entry.shape).copy())
            continue
        stem = f"{entry.name}.weight" if entry.kind == "product" else entry.name
        arrays[f"{entry.name}.weight"] = torch.from_numpy(stored.matrix(stem, *entry.shape).copy())
        if entry.kind == "product" and entry.bias:
            arrays[f"{entry.name}.bias"] = torch.from_numpy(stored.plain(f"{entry.name}.bias").copy())
    config = _config(metadata)
    model = Transducer(config)
    _fill(model, arrays)
    kind = str(metadata["tokenizer.model"])
    pieces = [str(piece) for piece in metadata["tokenizer.pieces"]]
    return Checkpoint(
        config,
        model.state_dict(),
        piece_model(pieces, kind, metadata.get("tokenizer.scores", ()), str(path)),
        kind,
        str(metadata["feature.preset"]),
        {
            "base": str(metadata["general.name"]),
            "norms": PLAIN_NORMS,
            "attribution": json.loads(metadata.get("sottovoce.attribution", "[]")),
        },
        {},
    )


def piece_model(pieces: list[str], kind: str, scores: Sequence[float], source: str) -> bytes:
    """Return a SentencePiece model of these pieces.

    scores: of the pieces of a `unigram` vocabulary; merges of `bpe` are tried in the order of the pieces.
    """
    kinds = {"bpe": pb.TrainerSpec.BPE, "char": pb.TrainerSpec.CHAR, "unigram": pb.TrainerSpec.UNIGRAM}
    if kind not in kinds:
        raise UnsupportedError(f"{source}: vocabulary of kind {kind!r}; wanted bpe, char or unigram")
    if kind == "unigram" and len(scores) != len(pieces):
        raise DataError(f"{source}: tokenizer.scores: wanted {len(pieces)}, found {len(scores)}")
    types = pb.ModelProto.SentencePiece
    model = pb.ModelProto()
    for number, piece in enumerate(pieces):
        score = scores[number] if kind == "unigram" else min(0.0, float(2 - number))
        if _BYTE_PIECE.fullmatch(piece):
            type_, score = types.BYTE, 0.0
            model.trainer_spec.byte_fallback = True
        else:
            type_ = {0: types.CONTROL, 1: types.UNKNOWN}.get(number, types.NORMAL)
        model.pieces.add(piece=piece, score=score, type=type_)
    spec = model.trainer_spec
    spec.model_type, spec.vocab_size = kinds[kind], len(pieces)
    spec.pad_id, spec.unk_id, spec.bos_id, spec.eos_id = 0, 1, -1, -1
    spec.pad_piece, spec.unk_piece = pieces[0], pieces[1]
    model.normalizer_spec.name = "identity"
    content: bytes = model.SerializeToString()
    return content


def _config(metadata: Mapping[str, Any]) -> TransducerConfig:
    blocks = []
    for number in range(metadata["encoder.num_blocks"]):
        prefix = f"encoder.{number}."
        sizes = {
            name: metadata[f"{prefix}{name}"]
            for name in "num_layers model_dim num_heads head_size ffn_size num_kv_heads".split()
        }
        blocks.append(
            BlockConfig(
                convs=tuple(metadata[f"{prefix}convs"]),
                left_context=tuple(metadata.get(f"{prefix}left_context", ())),
                position=metadata.get(f"{prefix}position", "learned_relative"),
                right_context=tuple(metadata.get(f"{prefix}right_context", ())),
                activation=metadata.get(f"{prefix}activation", "relu"),
                cycle=metadata.get(f"{prefix}cycle", 0),
                **sizes,
            )
        )
    sizes = {
        name: metadata[f"predictor.{name}"]
        for name in "embedding_dim model_dim num_layers num_heads head_size ffn_size".split()
    }
    position = metadata.get("predictor.position", "learned_relative")
    predictor = PredictorConfig(
        left_context=tuple(metadata.get("predictor.left_context", ())), position=position, **sizes
    )
    return TransducerConfig(
        blocks=tuple(blocks),
        predictor=predictor,
        joiner_dim=metadata["joiner.dim"],
        vocab_size=len(metadata["tokenizer.pieces"]),
        num_mels=metadata["feature.num_mels"],
        norm_epsilon=metadata["encoder.norm_epsilon"],
    )


@torch.no_grad()
def _fill(model: Transducer, arrays: Mapping[str, Tensor]) -> None:
    model.mean.copy_(arrays["feature.mean"])
    model.inverse_std.copy_(arrays["feature.inverse_std"])
    for number, block in enumerate(model.encoder.blocks):
        assert isinstance(block, torch.nn.ModuleDict)
        for index, conv in enumerate(block["convs"].children()):
            assert isinstance(conv, Conv)
            stem = f"encoder.{number}.conv.{index}"
            _unfold(conv, arrays[f"{stem}.weight"], arrays[f"{stem}.bias"])
        _fill_layers(block["layers"], arrays, f"encoder.{number}.")
    _copy(model.encoder.norm, arrays, "encoder.norm")
    model.predictor.embedding.weight.copy_(arrays["predictor.embedding.weight"])
    _copy(model.predictor.input, arrays, "predictor.input")
    _fill_layers(model.predictor.layers, arrays, "predictor.")
    _copy(model.predictor.norm, arrays, "predictor.norm")
    for name in ("encoder", "predictor", "output"):
        _copy(getattr(model.joiner, name), arrays, f"joiner.{name}")


def _unfold(conv: Conv, weight: Tensor, bias: Tensor) -> None:
    """Undo `Conv.folded` with a batch norm that only adds the bias."""
    shape = conv.conv.weight.shape  # (channels, channels_in, kernel_time[, kernel_freq])
    conv.conv.weight.copy_(weight.reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1))
    norm = conv.norm
    assert norm.running_var is not None and norm.running_mean is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
    norm.weight.fill_(1.0)
    norm.bias.copy_(bias)


def _copy(module: torch.nn.Module, arrays: Mapping[str, Tensor], stem: str) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        parameter.copy_(arrays[f"{stem}.{name}"])


def _fill_layers(layers: torch.nn.Module, arrays: Mapping[str, Tensor], prefix: str) -> None:
    for number, layer in enumerate(layers.children()):
        stem = f"{prefix}layer.{number}."
        for name in ("query", "key", "value", "output"):
            _copy(getattr(layer, name), arrays, f"{stem}attention.{name}")
        _copy(layer.get_submodule("up"), arrays, f"{stem}ffn.up")
        _copy(layer.get_submodule("down"), arrays, f"{stem}ffn.down")
        _copy(layer.get_submodule("attention_norm"), arrays, f"{stem}attention.norm")
        _copy(layer.get_submodule("ffn_norm"), arrays, f"{stem}ffn.norm")
        if f"{stem}attention.relative" in arrays:
            layer.get_parameter("relative").copy_(arrays[f"{stem}attention.relative"])
        else:
            _copy(layer.get_submodule("position"), arrays, f"{stem}attention.position")
            for name in ("content_bias", "position_bias"):
                layer.get_parameter(name).copy_(arrays[f"{stem}attention.{name}"])
