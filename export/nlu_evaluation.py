"""Decisions of a model, in the runtime or in the torch reference, over labelled utterances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sottovoce.errors import DataError
from sottovoce.export.data import Utterance
from sottovoce.export.nlu_metrics import slot_spans

Decision = tuple[str, list[str]]  # the intent, and one BIO tag a word


def tags_of_words(words: Sequence[str], slots: Sequence[tuple[str, int, int]]) -> list[str]:
    """Return one BIO tag a word from slots (name, start, end) in characters of the words joined by one space.

    A word belongs to the slot that its first character, or else a later one, lies in.
    """
    tags, start, previous = [], 0, -1
    for word in words:
        end = start + len(word)
        owner = next((index for index, slot in enumerate(slots) if slot[1] < end and start < slot[2]), -1)
        tags.append("O" if owner < 0 else f"{'I' if owner == previous else 'B'}-{slots[owner][0]}")
        previous, start = owner, end + 1
    return tags


def runtime_decisions(model: str, utterances: Sequence[Utterance]) -> list[Decision]:
    """Decisions of the C++ runtime for a bundled model or an artifact. Raises as `IntentParser.from_pretrained`."""
    from sottovoce import IntentParser

    parser = IntentParser.from_pretrained(model)
    decisions = []
    for utterance in utterances:
        result = parser.parse(utterance.text)
        slots = [(slot.name, slot.start, slot.end) for slot in result.slots]
        decisions.append((result.intent.name, tags_of_words(utterance.words, slots)))
    return decisions


def reference_decisions(directory: Path, utterances: Sequence[Utterance]) -> list[Decision]:
    """Decisions of the torch reference for a checkpoint of ours, computed with the runtime's arithmetic.

    Raises:
        DataError: not such a checkpoint.
    """
    from sottovoce.export.train.nlu.batches import Encoder, Labels
    from sottovoce.export.train.nlu.checkpoint import load_checkpoint
    from sottovoce.export.train.nlu.evaluate import predict
    from sottovoce.export.train.nlu.tokenization import load_tokenizer

    try:
        checkpoint = load_checkpoint(directory)
    except ValueError as error:
        raise DataError(str(error)) from None
    tokenizer = load_tokenizer(directory / "vocab.txt", lowercase=bool(checkpoint.tokenizer["lowercase"]))
    labels = Labels(checkpoint.intent_labels, checkpoint.slot_labels)
    return predict(checkpoint.build(), Encoder(tokenizer, labels), utterances)


def agreement(first: Sequence[Decision], second: Sequence[Decision]) -> float:
    """Return the percentage of utterances with the same intent and the same slots in both."""
    same = sum(
        a[0] == b[0] and slot_spans(a[1]) == slot_spans(b[1]) for a, b in zip(first, second, strict=True)
    )
    return 100 * same / max(len(first), 1)
