"""A training checkpoint as an artifact of the runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sottovoce.errors import InvalidInputError
from sottovoce.export.models.transducer import FAMILY_WEIGHTS
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Spec
from sottovoce.export.spec_transducer import transducer_spec
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.writers.spec_to_gguf import write_spec


def checkpoint_spec(checkpoint: Checkpoint) -> Spec:
    """Return the averaged weights of a checkpoint as a Spec."""
    pieces = checkpoint.pieces()
    return transducer_spec(
        checkpoint.model(), pieces.pieces, checkpoint.piece_kind, checkpoint.feature_preset, pieces.scores
    )


def export_checkpoint(
    source: Path,
    path: Path,
    *,
    weights: str,
    name: str,
    license_id: str = "Apache-2.0",
    metrics: Mapping[str, Any] | None = None,
    attribution: Sequence[Any] = (),
) -> int:
    """Write checkpoint `source` as the artifact `path` and return its size in bytes.

    weights: `ternary`, `int8` or `f32` (models/transducer.py, FAMILY_WEIGHTS). Raises InvalidInputError for any other.
    """
    if weights not in FAMILY_WEIGHTS:
        raise InvalidInputError(f"weights: wanted {', '.join(FAMILY_WEIGHTS)}, found {weights!r}")
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
    return write_spec(checkpoint_spec(checkpoint), path, provenance, FAMILY_WEIGHTS[weights])
