"""What decides the outcome of `train asr`, besides the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.models.transducer import TransducerConfig
from sottovoce.export.train.asr.augment import AugmentConfig
from sottovoce.export.train.asr.pieces import PieceModel


@dataclass(frozen=True)
class RecipeConfig:
    """Shape of the network, schedule, losses."""

    model: TransducerConfig = field(default_factory=TransducerConfig)
    augment: AugmentConfig | None = field(default_factory=AugmentConfig)
    feature_preset: str = "kaldi80"
    piece_model: PieceModel = "bpe"
    weights: WeightKind = "f32"  # what is trained: floats, or shadows of int8 or ternary weights
    audio_hours: float = 30.0  # to see in all, copies of an utterance counted each time
    minutes: float = 0.0  # of training at most, 0: no limit; the rate then falls by whichever ends first
    batch_seconds: float = 64.0
    short_first_seconds: float = 3.0
    learning_rate: float = 8e-4  # at the end of the warm-up
    encoder_rate: float = 1.0  # of the learning rate, for the encoder: low where it alone is trained already
    encoder_frozen_hours: float = 0.0  # audio on which all but the encoder learns
    final_rate: float = 0.02  # of the peak, at the end of the cosine
    warmup_steps: int = 300
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    ctc_weight: float = 0.3
    teacher_weight: float = 1.0  # of the distance to the encoder teacher's features, where there is such a teacher
    hidden_weight: float = 1.0  # of the distance to the hidden states of `distill_from`
    divergence_weight: float = 1.0  # of the distance to its distributions
    clean_first_hours: float = 4.0  # audio heard as recorded, unmasked: with noise, CTC finds no alignment for hours
    flat_start_hours: float = 1.0  # audio on which labels spread evenly over the speech guide the encoder
    ctc_first_hours: float = 3.0  # audio on which only CTC trains the encoder: it aligns sooner, and a step costs less
    bfloat16: bool = False  # matrix products of training in bfloat16: nearly twice as fast on a CPU that has them
    seed: int = 1
    checkpoint_minutes: float = 3.0
    dev_steps: int = 500  # between two looks at the dev sets

    def to_dict(self) -> dict[str, Any]:
        """Return plain types."""
        return asdict(self)
