"""AutoTinyBERT (Yin et al. 2021): super-models and what the extractor cuts out of them.

Names come with and without `bert.` or `electra.`, as `layers` or `layer`, with and without `.embedding`; query, key and value
have a width of their own (`qkv_size`), and the extractor writes neither config.json nor vocab.txt.
"""

from __future__ import annotations

from sottovoce.export.importers.bert_config import bert_metadata, metadata_of_shapes, require_absolute_positions
from sottovoce.export.importers.encoder import assemble, model_type_is_bert, read_arrays, stored_names
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source

FAMILY = "AutoTinyBERT"


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    if source.config_path is None:
        return (
            "there is no config.json, as its extractor leaves it"
            if "embeddings.LayerNorm.weight" in stored_names(source)
            else ""
        )
    if not model_type_is_bert(source):
        return ""
    if "qkv_size" in source.config:
        return "config.json has AutoTinyBERT's key `qkv_size`"
    for mark, where in ((".layers.", "encoder.layers"), ("_embeddings.embedding.", "word_embeddings.embedding")):
        if any(mark in name for name in source.tensors):
            return f"its tensors are called {where}, as those of the super-model"
    if any(name.startswith("dense_fit.") for name in stored_names(source)):
        return "it holds dense_fit, the super-model's projection to the teacher's width"
    return ""


def load(source: Source) -> Imported:
    """Read the source. Raises as `importers.load`."""
    notes: list[str] = []
    if source.config_path:
        metadata = bert_metadata(source)
        require_absolute_positions(source)
        arrays = read_arrays(source)
    else:
        source.require_config()
        arrays = read_arrays(source)
        metadata = metadata_of_shapes(source, arrays)
        notes.append(f"no config.json: sizes are those of the tensors, {metadata['bert.num_heads']} heads as given")
    return assemble(source, metadata, arrays, classifier="intent", notes=notes)
