"""DynaBERT (Hou et al. 2020): the full-size network, heads and neurons in their stored order, most important first.

Width and depth are not stored. By default everything is read, and the artifact serves all sub-networks that the paper trains;
`width` and `depth` of the options cut one out.
"""

from __future__ import annotations

import torch

from sottovoce.export.compress.width import narrow, narrowed_config
from sottovoce.export.importers.bert_config import bert_metadata, require_absolute_positions
from sottovoce.export.importers.encoder import assemble, model_type_is_bert, read_arrays
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source
from sottovoce.export.models.bert import BertConfig

FAMILY = "DynaBERT"
# The sub-networks that the paper trains, in percent of the heads and neurons, and of the layers.
WIDTHS, DEPTHS = (100, 75, 50, 25), (100, 75, 50)


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    if model_type_is_bert(source) and "output_intermediate" in source.config:
        return "config.json has DynaBERT's key `output_intermediate`"
    return ""


def load(source: Source) -> Imported:
    """Read the source. Raises as `importers.load`, and InvalidInputError for a share outside (0, 1]."""
    metadata = bert_metadata(source)
    require_absolute_positions(source)
    imported = assemble(source, metadata, read_arrays(source), classifier="intent")
    options = source.options
    if (options.width, options.depth) == (1.0, 1.0):
        metadata.update({"bert.adaptive_widths": list(WIDTHS), "bert.adaptive_depths": list(DEPTHS)})
        imported.notes.append(
            "full size: width and depth can be chosen when it is loaded, or cut with --width and --depth"
        )
    else:
        imported.spec.validate(str(source))  # before anything is cut, so that mistakes are named as they stand
        _cut(imported, options.width, options.depth)
    return imported


def _cut(imported: Imported, width: float, depth: float) -> None:
    metadata, arrays = imported.spec.metadata, imported.spec.arrays
    sizes = {
        name: metadata[f"bert.{name}"]
        for name in ("num_layers", "hidden_size", "num_heads", "head_size", "ffn_size", "vocab_size")
    }
    config = BertConfig(**sizes, num_intents=1, num_slots=1)
    layers = {name: torch.from_numpy(array) for name, array in arrays.items() if name.startswith("layer.")}
    kept = narrow(layers, config, width, depth)
    small = narrowed_config(config, width, depth)
    imported.spec.arrays = {name: array for name, array in arrays.items() if not name.startswith("layer.")}
    imported.spec.arrays |= {name: tensor.contiguous().numpy() for name, tensor in kept.items()}
    metadata.update(
        {
            "bert.num_layers": small.num_layers,
            "bert.num_heads": small.num_heads,
            "bert.ffn_size": small.ffn_size,
            "bert.qkv_size": small.qkv_size,
        }
    )
    imported.notes.append(f"sub-network of width {width:g} and depth {depth:g}")
