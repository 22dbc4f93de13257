"""Which head a checkpoint has, the names of its labels, and what stands before it."""

from __future__ import annotations

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.importers.bert_names import plain_name
from sottovoce.export.importers.source import Source
from sottovoce.export.spec import Array

# Heads of other tasks, by the start of their names.
_FOREIGN = {"qa_outputs.": "a question-answering head (qa_outputs)"}


def take_foreign_heads(source: Source, tensors: dict[str, Array]) -> None:
    """Refuse heads that no artifact has; leave every head out when the options say so.

    tensors: by stored names; changed in place.
    """
    heads = (*_FOREIGN, "classifier.", "intent_classifier.", "slot_classifier.")
    for stored in [name for name in tensors if plain_name(name).startswith(heads)]:
        name = plain_name(stored)
        if source.options.encoder_only:
            del tensors[stored]
            continue
        for start, what in _FOREIGN.items():
            if name.startswith(start):
                raise UnsupportedError(
                    f"{source}: {what}; wanted one that classifies, or --encoder-only to leave it out"
                )


def use_classifier(source: Source, arrays: dict[str, Array], *, default: str = "") -> None:
    """Rename `classifier.*` to the head it is: by the options, by the class in `architectures`, else `default`.

    Raises:
        UnsupportedError: none of them says, or it is the one output of a regression.
    """
    if "classifier.weight" not in arrays:
        return
    config = source.config
    classes = " ".join(config.get("architectures") or [])
    named = "slot" if "TokenClassification" in classes else "intent" if "SequenceClassification" in classes else ""
    head = source.options.head or named or default
    if not head:
        raise UnsupportedError(
            f"{source}: a `classifier`, but config.json names no BertForSequenceClassification or "
            f"BertForTokenClassification in `architectures`: {config.get('architectures')!r}; --head says which it is"
        )
    if arrays["classifier.weight"].shape[0] == 1:
        raise UnsupportedError(
            f"{source}: classifier.weight has one output, a regression (STS-B); wanted classes, "
            "or --encoder-only to leave it out"
        )
    for part in ("weight", "bias"):
        if f"classifier.{part}" in arrays:
            arrays[f"{head}.{part}"] = arrays.pop(f"classifier.{part}")


def labels(source: Source, head: str, arrays: dict[str, Array], notes: list[str]) -> list[str]:
    """Return the labels of a head; none without a head.

    From the options, from config.json (`intent_labels`, `slot_labels`, else `id2label` when there is one head), else
    LABEL_0, LABEL_1, ... as many as the weight has rows.
    """
    weight = arrays.get(f"{head}.weight")
    if weight is None:
        return []
    chosen = source.options.intent_labels if head == "intent" else source.options.slot_labels
    where = f"--{head}-labels" if chosen else f"{source.config_source}: {head}_labels"
    found = list(chosen) if chosen else source.config.get(f"{head}_labels")
    if found is None and len({"intent.weight", "slot.weight"} & arrays.keys()) == 1:
        by_id = source.config.get("id2label") or {}
        found = [by_id.get(str(number), f"LABEL_{number}") for number in range(weight.shape[0])]
        if not by_id:
            notes.append(
                f"the checkpoint does not name its {weight.shape[0]} labels; they are called LABEL_0 ... unless "
                f"--{head}-labels names them"
            )
    if not isinstance(found, list) or len(found) != weight.shape[0]:
        raise DataError(f"{where}: wanted the {weight.shape[0]} labels of the {head} head, found {found!r}")
    return [str(label) for label in found]
