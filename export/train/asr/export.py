"""A training checkpoint as an artifact of the runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export.models.transducer import FAMILY_WEIGHTS
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Spec
from sottovoce.export.spec_transducer import Fusion, transducer_spec
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.language_model import LanguageModelCheckpoint
from sottovoce.export.writers.spec_to_gguf import write_spec


def checkpoint_spec(checkpoint: Checkpoint, fusion: Fusion | None = None) -> Spec:
    """Return the averaged weights of a checkpoint as a Spec."""
    pieces = checkpoint.pieces()
    return transducer_spec(
        checkpoint.model(), pieces.pieces, checkpoint.piece_kind, checkpoint.feature_preset, pieces.scores, fusion
    )


def open_fusion(path: Path, pieces: Sequence[str], **weights: float) -> Fusion:
    """Return the language model of `train lm` with the weights of `Fusion`; DataError when it was made for other pieces."""
    checkpoint = LanguageModelCheckpoint.load(path)
    if checkpoint.pieces != list(pieces):
        raise DataError(f"{path}: wanted a language model of the recognizer's vocabulary, found one of another")
    return Fusion(checkpoint.model(), **weights)


def export_checkpoint(
    source: Path,
    path: Path,
    *,
    weights: str,
    name: str,
    license_id: str = "Apache-2.0",
    metrics: Mapping[str, Any] | None = None,
    attribution: Sequence[Any] = (),
    language_model: Path | None = None,
    fusion_weights: Mapping[str, float] | None = None,
    beam: int = 1,
) -> int:
    """Write checkpoint `source` as the artifact `path` and return its size in bytes.

    weights: `ternary`, `int8` or `f32` (models/transducer.py, FAMILY_WEIGHTS). Raises InvalidInputError for any other.
    language_model: a checkpoint of `train lm`, for beam search; fusion_weights: of `Fusion`.
    beam: hypotheses that a stream keeps unless it says otherwise, 1 to 64.
    """
    if weights not in FAMILY_WEIGHTS:
        raise InvalidInputError(f"weights: wanted {', '.join(FAMILY_WEIGHTS)}, found {weights!r}")
    if not 1 <= beam <= 64:
        raise InvalidInputError(f"beam: wanted 1 to 64, found {beam}")
    checkpoint = Checkpoint.load(source)
    if checkpoint.settings.get("weights") == "ternary" and weights != "ternary":
        raise InvalidInputError(f"{source}: trained for ternary weights, wanted them stored so, found {weights}")
    training = checkpoint.settings | {
        "steps": checkpoint.training.get("step", 0),
        "audio_hours_heard": round(float(checkpoint.training.get("audio_seconds", 0.0)) / 3600, 3),
    }
    provenance = Provenance(
        name=name,
        license=license_id,
        source=source.name,
        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        training=training,
        metrics=metrics or {},
        attribution=list(attribution),
    )
    fusion = None
    if language_model is not None:
        fusion = open_fusion(language_model, checkpoint.pieces().pieces, **fusion_weights or {})
    spec = checkpoint_spec(checkpoint, fusion)
    if beam > 1:
        spec.metadata["search.beam"] = beam
    return write_spec(spec, path, provenance, FAMILY_WEIGHTS[weights])
