"""A checkpoint of ours as a GGUF artifact, stored as it was trained."""

from __future__ import annotations

import os

from sottovoce.export.writers.spec_to_gguf import write_spec


def write_checkpoint(directory: str | os.PathLike[str], path: str | os.PathLike[str]) -> int:
    """Write the checkpoint in `directory` to `path` and return the size in bytes. Raises as `importers.load` and `write_spec`."""
    from sottovoce.export import importers  # it reads what the writers' users train, which import this package

    imported = importers.load(directory)
    return write_spec(imported.spec, path, imported.provenance)
