"""Predictions of the torch reference over a set of utterances, and their metrics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.models.bert import JointBert, JointModel
from sottovoce.export.models.mpnet_joint import JointMpnet
from sottovoce.export.nlu_metrics import NluMetrics, evaluate_nlu
from sottovoce.export.train.nlu.batches import Encoder, collate, encode_words


@torch.no_grad()
def intent_logits(model: JointBert, encoder: Encoder, texts: Sequence[str], batch_size: int = 64) -> Tensor:
    """Intent logits (texts, num_intents) of plain sentences, exact arithmetic."""
    model.eval()
    examples = [encoder.outlier(text) for text in texts]
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].ids))
    logits = torch.empty(len(examples), model.config.num_intents)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = collate([examples[index] for index in chosen], encoder.tokenizer.pad_id)
        logits[chosen] = model(batch.ids, batch.keep, exact=True).intent_logits
    return logits


@torch.no_grad()
def predict(
    model: JointModel | JointMpnet, encoder: Encoder, utterances: Sequence[Utterance], batch_size: int = 64
) -> list[tuple[str, list[str]]]:
    """The best intent and the best tag of every word, exact arithmetic. Words without a piece are `O`."""
    model.eval()
    labels = encoder.labels
    encoded = [encode_words(utterance.words, encoder.tokenizer, encoder.max_pieces) for utterance in utterances]
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index][0]))
    results: list[tuple[str, list[str]]] = [("", [])] * len(encoded)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = collate([encoder.utterance(utterances[index]) for index in chosen], encoder.tokenizer.pad_id)
        output = model(batch.ids, batch.keep, exact=True)
        intents, tags = output.intent_logits.argmax(-1).tolist(), output.slot_logits.argmax(-1).tolist()
        for row, index in enumerate(chosen):
            firsts = encoded[index][1]
            found = [labels.tags[tags[row][first]] if first >= 0 else "O" for first in firsts]
            results[index] = (labels.intents[intents[row]], found)
    return results


def evaluate_model(model: JointModel | JointMpnet, encoder: Encoder, utterances: Sequence[Utterance]) -> NluMetrics:
    """Metrics of a model over labelled utterances."""
    gold = [(utterance.intent, utterance.tags) for utterance in utterances]
    return evaluate_nlu(gold, predict(model, encoder, utterances))


def validation(model: JointModel | JointMpnet, encoder: Encoder, utterances: Sequence[Utterance]) -> dict[str, float]:
    """What the training loop logs; the score that picks the best epoch weighs intent and slots equally."""
    metrics = evaluate_model(model, encoder, utterances)
    return {
        "intent_accuracy": metrics.intent_accuracy,
        "slot_f1": metrics.slot_f1,
        "exact_match": metrics.exact_match,
        "score": metrics.intent_accuracy + metrics.slot_f1,
    }
