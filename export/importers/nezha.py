"""NEZHA (Wei et al. 2019): a BERT without position embeddings; a fixed table of relative positions acts inside attention.

The table is not stored: it follows from `max_relative_position` and the head size (`spec_bert.relative_table`).
"""

from __future__ import annotations

from sottovoce.export.importers.bert_config import bert_metadata
from sottovoce.export.importers.encoder import assemble, read_arrays
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source

FAMILY = "NEZHA"


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    if source.config.get("model_type", "bert") not in ("bert", "nezha"):
        return ""
    if source.config.get("use_relative_position") or source.config.get("model_type") == "nezha":
        return f"{source.config_path.name if source.config_path else ''} asks for NEZHA's relative positions"
    return ""


def load(source: Source) -> Imported:
    """Read the source. Raises as `importers.load`."""
    metadata = bert_metadata(source)
    metadata["bert.position"] = "relative"
    metadata["bert.max_relative_position"] = source.size("max_relative_position")
    return assemble(source, metadata, read_arrays(source), classifier="intent")
