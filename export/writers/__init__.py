"""Writers of model files: one module a format, one row here."""

from __future__ import annotations

from sottovoce.export.writers.checkpoint_to_gguf import write_checkpoint
from sottovoce.export.writers.spec_to_gguf import write_spec

# What `convert --to` takes -> function (spec, path, provenance, weights) that returns the size in bytes.
WRITERS = {"gguf": write_spec}

__all__ = ["WRITERS", "write_checkpoint", "write_spec"]
