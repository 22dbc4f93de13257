"""What all importers of the BERT family share: tensors by contract name, then tokenizer, heads, labels and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export.importers.bert_names import plain_name, rename_bert
from sottovoce.export.importers.bert_tokenizer import read_tokenizer
from sottovoce.export.importers.heads import labels, take_foreign_heads, use_classifier
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Array, Spec
from sottovoce.export.spec_bert import ARCHITECTURE, vocabulary_bytes


def model_type_is_bert(source: Source) -> bool:
    """True for a configuration of BERT; old ones name no type but have BERT's fields."""
    return source.config.get("model_type", "bert") == "bert" and "num_hidden_layers" in source.config


def stored_names(source: Source) -> list[str]:
    """The plain names of all stored tensors. Raises as `Source.tensors`."""
    return [plain_name(name) for name in source.tensors]


def read_arrays(source: Source, tensors: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """Return the tensors (default: all of the source) by contract name.

    Raises:
        DataError: a name is not one of BERT's; UnsupportedError: a head of another task.
    """
    chosen = dict(source.tensors if tensors is None else tensors)
    take_foreign_heads(source, chosen)
    return rename_bert(str(source), chosen)


def assemble(
    source: Source,
    metadata: dict[str, Any],
    arrays: dict[str, Array],
    *,
    classifier: str = "",
    classifier_relu: bool = False,
    weights: Mapping[str, str] | None = None,
    notes: list[str] | None = None,
) -> Imported:
    """Complete `metadata` and `arrays` to a model.

    Args:
        metadata: the `bert.*` sizes; changed. arrays: by contract name; changed.
        classifier: the head that a `classifier` is when the configuration does not say.
        classifier_relu: whether this family puts a ReLU before a `classifier` (never before `intent_classifier`).
        weights: family to kind, as the model was trained; notes: what a user should know so far.
    Raises:
        As `importers.load`.
    """
    notes = [] if notes is None else notes
    options = source.options
    pieces, tokenizer = read_tokenizer(source.directory, vocabulary=options.vocabulary, lowercase=options.lowercase)
    metadata.update(tokenizer)
    relu = classifier_relu and "classifier.weight" in arrays
    use_classifier(source, arrays, default=classifier)
    for head in ("intent", "slot"):
        metadata[f"{head}.labels"] = labels(source, head, arrays, notes)
    metadata.update({"intent.temperature": 1.0, "intent.out_of_scope_threshold": 0.0})
    if options.classifier_relu is not None:
        relu = options.classifier_relu
    pooler = "pooler.weight" in arrays
    if options.classifier_relu and not pooler:
        raise InvalidInputError(f"{source}: --classifier-relu, but there is no pooler")
    metadata["bert.pooler_activation"] = ("tanh_relu" if relu else "tanh") if pooler else "none"
    _fit_vocabulary(source, metadata, pieces, arrays)
    provenance = Provenance(name=source.name, license="", source=source.name, source_sha256=source.sha256)
    spec = Spec(ARCHITECTURE, metadata, arrays, dict(weights or {}))
    return Imported(spec, provenance, notes)


def _fit_vocabulary(source: Source, metadata: dict[str, Any], pieces: list[str], arrays: dict[str, Array]) -> None:
    """Store the vocabulary; embedding rows past it (padding to a round number) can never be looked up and are dropped."""
    rows = metadata["bert.vocab_size"]
    if len(pieces) > rows:
        raise DataError(
            f"{source}: the vocabulary has {len(pieces)} pieces, {Path(source.config_source).name} allows {rows}"
        )
    word = arrays.get("embeddings.word")
    if word is not None and word.shape[0] == rows:
        for name in ("embeddings.word", "embeddings.word_2"):
            if name in arrays:
                arrays[name] = arrays[name][: len(pieces)]
        metadata["bert.vocab_size"] = len(pieces)
    arrays["tokenizer.vocab"] = vocabulary_bytes(pieces)
