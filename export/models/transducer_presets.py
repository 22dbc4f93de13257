"""Named shapes of the Conv-Transformer Transducer, each with the features it was made for."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from sottovoce.errors import InvalidInputError
from sottovoce.export.models.transducer import BlockConfig, PredictorConfig, TransducerConfig

_FRONT = ("conv2d:3,7,1,2,32,1", "conv2d:3,5,2,2,32,1", "conv1d:1,1,384,0")
_MIDDLE = ("conv1d:3,1,1024,1", "conv1d:3,2,1280,1", "conv1d:1,1,512,0")
_SMOOTH = ("conv1d:3,1,1024,1", "conv1d:3,1,1280,1", "conv1d:1,1,512,0")  # the 40 ms of the block before stay

# Huang et al. (Interspeech 2020), tables 1 and 4: blocks of 2, 2 and 8 layers; a left context of 32 frames and 16 labels,
# the constant-cost model. 67.2M parameters with a vocabulary of 4096, so its positions are Transformer-XL's.
_PAPER = TransducerConfig(
    blocks=(
        BlockConfig(_FRONT, 2, 384, 6, 64, 1536, (32,) * 2, position="transformer_xl"),
        BlockConfig(_MIDDLE, 2, 512, 8, 64, 2048, (32,) * 2, position="transformer_xl"),
        BlockConfig(_MIDDLE, 8, 512, 8, 64, 2048, (32,) * 8, position="transformer_xl"),
    ),
    predictor=PredictorConfig(128, 512, 4, 8, 64, 2048, (16,) * 4, position="transformer_xl"),
    joiner_dim=512,
    vocab_size=4096,
    num_mels=128,
    dropout=0.1,
)

# What huawei-noah/bolt shipped first: 2, 2 and 4 layers, contexts that grow with depth, learned positions.
_BOLT_V1 = TransducerConfig(
    blocks=(
        BlockConfig(_FRONT, 2, 384, 6, 64, 1536, (5, 7)),
        BlockConfig(_MIDDLE, 2, 512, 8, 64, 2048, (7, 9)),
        BlockConfig(_MIDDLE, 4, 512, 8, 64, 2048, (9, 15, 23, 31)),
    ),
    predictor=PredictorConfig(128, 512, 4, 8, 64, 2048, (3, 5, 7, 9)),
    joiner_dim=512,
    vocab_size=1601,
    num_mels=128,
    dropout=0.1,
)

_SMALL = TransducerConfig(
    blocks=(
        BlockConfig(("conv2d:3,7,2,2,24,1", "conv2d:3,5,2,2,32,1", "conv1d:1,1,144,0"), 1, 144, 4, 36, 432, (24,)),
        BlockConfig(("conv1d:3,2,352,1", "conv1d:1,1,224,0"), 8, 224, 4, 56, 864, (16, 16, 24, 24, 32, 32, 32, 32)),
    ),
    predictor=PredictorConfig(96, 192, 1, 4, 48, 384, (8,)),
    joiner_dim=192,
    vocab_size=256,
)


def whisper_shape(
    width: int = 384,
    num_layers: int = 4,
    num_heads: int = 6,
    cycle: int = 1500,
    ffn_size: int = 704,
    vocab_size: int = 256,
) -> TransducerConfig:
    """Return an encoder that Whisper's can be put into (`train/asr/whisper_start.py`); the defaults are those of its tiny.

    Its layers at 20 ms, each half a second back and 80 ms ahead, then a frame of half the width every 80 ms; 360 ms look-ahead.
    """
    layers = BlockConfig(
        convs=(f"conv1d:3,1,{width},2", f"conv1d:3,2,{width},2"),
        num_layers=num_layers,
        model_dim=width,
        num_heads=num_heads,
        head_size=width // num_heads,
        ffn_size=ffn_size,
        left_context=(28,) * num_layers,
        right_context=(4,) * num_layers,
        activation="gelu",
        cycle=cycle,
    )
    half = width // 2
    last = BlockConfig((f"conv1d:3,4,{half},0",), 0, half, 1, half, half, ())
    return TransducerConfig((layers, last), PredictorConfig(96, 192, 1, 4, 48, 384, (8,)), 192, vocab_size)


class Preset(NamedTuple):
    """A network and the feature preset of `sottovoce.audio.Fbank` that feeds it."""

    model: TransducerConfig
    features: str


PRESETS: dict[str, Preset] = {
    "paper": Preset(_PAPER, "slaney128"),
    # "HFR": a frame rate of 40 ms, by stride 1 in the third block.
    "hfr": Preset(
        dataclasses.replace(_PAPER, blocks=(*_PAPER.blocks[:2], dataclasses.replace(_PAPER.blocks[2], convs=_SMOOTH))),
        "slaney128",
    ),
    "bolt-v1": Preset(_BOLT_V1, "slaney128"),
    "micro": Preset(TransducerConfig(), "kaldi80"),
    "small": Preset(_SMALL, "kaldi80"),
    "whisper-tiny": Preset(whisper_shape(), "kaldi80"),
}


def preset(name: str) -> Preset:
    """Return a preset by its name; InvalidInputError lists the names there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise InvalidInputError(f"preset: wanted {', '.join(PRESETS)}, found {name!r}") from None
