"""TernaryBERT (Zhang et al. 2020): the full-precision shadow weights, quantized here as its evaluation does.

Word embeddings row by row, every other product by one scale; activations by one scale an utterance, bounded by the clips.
Its code's `quant` directory quantizes the embeddings by one scale too, another model than the one it evaluated: refused.
"""

from __future__ import annotations

import numpy as np

from sottovoce.errors import DataError
from sottovoce.export.importers import weight_quantizers
from sottovoce.export.importers.activation_quantizers import (
    clipped,
    quantized_products,
    record_inputs,
    record_operands,
)
from sottovoce.export.importers.bert_config import bert_metadata
from sottovoce.export.importers.encoder import assemble, model_type_is_bert, read_arrays, stored_names
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.quantizer_names import separate
from sottovoce.export.importers.source import Source
from sottovoce.export.spec import Array

FAMILY = "TernaryBERT"


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    if not model_type_is_bert(source):
        return ""
    marks = [name for name in stored_names(source) if name.endswith((".weight_clip_val", ".act_clip_val"))]
    return f"it holds the clips of TernaryBERT's quantizers ({marks[0]})" if marks else ""


def load(source: Source) -> Imported:
    """Read the source. Raises as `importers.load`."""
    metadata = bert_metadata(source)
    bits = int(source.choice("weight_bits", (2, 8)))
    source.choice("input_bits", (8,))
    separated = separate(str(source), source.tensors)
    arrays = read_arrays(source, separated.model)
    notes = []
    if source.config.get("hidden_act", "gelu") != "gelu":
        notes.append("hidden_act is ignored, as its code does: the activation is GELU")
    metadata["bert.hidden_activation"] = "gelu"
    metadata["bert.activation_granularity"] = "tensor"
    word = arrays.get("embeddings.word")
    if word is not None:
        _refuse_quantized_copy(source, word, bits)
    record_inputs(str(source), metadata, arrays, separated.inputs, "clipped")
    record_operands(str(source), metadata, arrays, separated.operands, "clipped")
    _quantize(
        source, arrays, separated.weight_clips, weight_quantizers.ternary if bits == 2 else weight_quantizers.int8
    )
    kind = "ternary" if bits == 2 else "int8"
    if bits == 8:
        notes.append("8-bit weights have one scale a tensor in the checkpoint and one a row in an artifact")
    notes.append(
        "one activation scale an utterance: the public code shares it over a batch with its padding, so compare at batch size 1"
    )
    weights = {"word": kind, "position": "f32", "encoder": kind, "pooler": kind, "heads": "f32"}
    return assemble(source, metadata, arrays, classifier="intent", weights=weights, notes=notes)


def _quantize(
    source: Source, arrays: dict[str, Array], clips: dict[str, Array], quantizer: weight_quantizers.Quantizer
) -> None:
    """Replace the shadow weights by what the forward pass sees."""
    stems = {**{stem: f"{stem}.weight" for stem in quantized_products(arrays)}, "embeddings.word": "embeddings.word"}
    for problem, names in (("missing", stems.keys() - clips.keys()), ("unexpected", clips.keys() - stems.keys())):
        if names:
            raise DataError(f"{source}: {problem}: the weight clip of {', '.join(sorted(names)[:6])}")
    for stem, name in stems.items():
        if name in arrays:
            bounded = clipped(str(source), stem, arrays[name], clips[stem])
            arrays[name] = quantizer(bounded, stem != "embeddings.word")


def _refuse_quantized_copy(source: Source, word: Array, bits: int) -> None:
    """Raise DataError when the whole table of word embeddings holds no more values than one scale gives."""
    most = 2**bits - 1
    # A few rows tell shadow weights at once; BERT's whole table has 23 million values.
    if word.size > most and np.unique(word[:256]).size <= most and np.unique(word).size <= most:
        raise DataError(
            f"{source}: this is the `quant` copy of a TernaryBERT: its word embeddings hold {np.unique(word).size} values, "
            "quantized by one scale, while the model that was evaluated has one a row; wanted the full-precision checkpoint "
            f"in the directory above it ({source.directory.resolve().parent})"
        )
