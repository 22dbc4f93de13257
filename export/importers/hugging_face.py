"""Hugging Face directories of BERT and of what was trained with its code (MiniLM), with or without heads."""

from __future__ import annotations

from typing import Any

from sottovoce.export.importers.bert_config import bert_metadata, require_absolute_positions
from sottovoce.export.importers.encoder import assemble, read_arrays
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source

FAMILY = "BERT"


def accepts(config: dict[str, Any]) -> bool:
    """True for a config.json of BERT; old ones name no type but have BERT's fields."""
    return config.get("model_type", "bert") == "bert" and "num_hidden_layers" in config


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    return "config.json describes a BERT" if accepts(source.config) else ""


def load(source: Source) -> Imported:
    """Read the source. A pretrained encoder has no heads: its Spec has no labels. Raises as `importers.load`."""
    metadata = bert_metadata(source)
    require_absolute_positions(source)
    return assemble(source, metadata, read_arrays(source))
