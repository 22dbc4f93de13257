"""Metrics of intent and slots: intent accuracy, entity-level slot F1 (as seqeval and conlleval count it), exact match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

Span = tuple[str, int, int]  # slot name, first word, last word


@dataclass(frozen=True)
class NluMetrics:
    """Percentages over a set of utterances."""

    intent_accuracy: float
    slot_f1: float
    exact_match: float
    slot_precision: float
    slot_recall: float
    utterances: int

    def to_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return asdict(self)


def intent_matches(gold: str, predicted: str) -> bool:
    """Whether `predicted` is right for `gold`; a label `a#b` on either side stands for any of its parts."""
    return gold == predicted or bool(set(gold.split("#")) & set(predicted.split("#")))


def slot_spans(tags: Sequence[str]) -> list[Span]:
    """Entities of one utterance's tags. `I-x` after `O` or after another name begins an entity, as in conlleval."""
    spans: list[Span] = []
    name, start = "", 0
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        continues = prefix == "I" and kind == name
        if name and not continues:
            spans.append((name, start, position - 1))
            name = ""
        if prefix in ("B", "I") and not continues:
            name, start = kind, position
    return spans


def evaluate_nlu(
    gold: Sequence[tuple[str, Sequence[str]]], predicted: Sequence[tuple[str, Sequence[str]]]
) -> NluMetrics:
    """Compares (intent, tags) pairs. Raises ValueError when the lists, or the tags of an utterance, differ in length."""
    if len(gold) != len(predicted):
        raise ValueError(f"predictions: wanted {len(gold)} utterances, found {len(predicted)}")
    intents = exact = correct = wanted = found = 0
    for number, ((intent, tags), (intent_found, tags_found)) in enumerate(zip(gold, predicted, strict=True)):
        if len(tags) != len(tags_found):
            raise ValueError(f"utterance {number}: wanted {len(tags)} tags, found {len(tags_found)}")
        right = intent_matches(intent, intent_found)
        spans, spans_found = set(slot_spans(tags)), set(slot_spans(tags_found))
        intents += right
        correct += len(spans & spans_found)
        wanted += len(spans)
        found += len(spans_found)
        exact += right and spans == spans_found
    total = max(len(gold), 1)
    precision, recall = correct / max(found, 1), correct / max(wanted, 1)
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return NluMetrics(
        intent_accuracy=100 * intents / total,
        slot_f1=100 * f1,
        exact_match=100 * exact / total,
        slot_precision=100 * precision,
        slot_recall=100 * recall,
        utterances=len(gold),
    )
