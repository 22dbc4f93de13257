"""TinyBERT (Jiao et al. 2020): general and task checkpoints of 4 x 312, 6 x 768 and other shapes.

The code trains `classifier(relu(pooled))`: a ReLU after the pooler's tanh that Hugging Face's class does not have. `fit_dense`,
the projection to the teacher's width, is in every checkpoint it writes, and so tells them from a copy fine-tuned elsewhere.
"""

from __future__ import annotations

from sottovoce.export.importers.bert_config import bert_metadata, require_absolute_positions
from sottovoce.export.importers.encoder import assemble, model_type_is_bert, read_arrays, stored_names
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source

FAMILY = "TinyBERT"


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    if not model_type_is_bert(source):
        return ""
    if any(name.startswith(("fit_dense.", "fit_denses.")) for name in stored_names(source)):
        return "it holds fit_dense, the projection to the teacher's width"
    # A copy fine-tuned with Hugging Face's class keeps the two keys but names its class.
    if {"pre_trained", "training"} <= source.config.keys() and not source.config.get("architectures"):
        return "config.json has TinyBERT's keys `pre_trained` and `training`"
    return ""


def load(source: Source) -> Imported:
    """Read the source. Raises as `importers.load`."""
    metadata = bert_metadata(source)
    require_absolute_positions(source)
    return assemble(source, metadata, read_arrays(source), classifier="intent", classifier_relu=True)
