"""Stage 5: calibrate. A temperature for the intent softmax, and the score below which a request is out of scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sottovoce.export.models.bert import JointBert
from sottovoce.export.nlu_metrics import intent_matches
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import evaluate_model, intent_logits
from sottovoce.export.train.nlu.task import Task

OUTLIERS_FOR_CALIBRATION = 0.05  # of the outlier sentences, held out of training
KEPT_SHARE = 0.99  # of valid in-scope requests that the threshold must let through


def fit_temperature(logits: Tensor, wanted: Tensor) -> float:
    """The temperature in [0.25, 4] with the least cross-entropy; logits (n, intents), wanted (n, intents) distributions."""
    candidates: list[float] = torch.logspace(-2, 2, 81, base=2.0).tolist()
    losses = [float(-(wanted * (logits / value).log_softmax(-1)).sum(-1).mean()) for value in candidates]
    return round(candidates[losses.index(min(losses))], 4)


def fit_threshold(in_scope: Tensor, outliers: Tensor) -> float:
    """The score below which to reject, from the best scores of in-scope and out-of-scope requests.

    The best balanced accuracy among thresholds that keep KEPT_SHARE of what is in scope; of equals, the middle. Without
    outliers, the threshold that just keeps that share.
    """
    highest = float(in_scope.quantile(1 - KEPT_SHARE))
    if not len(outliers):
        return round(highest, 4)
    thresholds = torch.linspace(0.0, highest, 400)
    kept = (in_scope[None] >= thresholds[:, None]).float().mean(1)
    rejected = (outliers[None] < thresholds[:, None]).float().mean(1)
    balanced = kept + rejected
    best = thresholds[balanced >= balanced.max() - 1e-6]
    return round(float(best[len(best) // 2]), 4)


def rejection_rates(in_scope: Tensor, outliers: Tensor, threshold: float) -> dict[str, float]:
    """Percent of in-scope requests kept and of outliers rejected."""
    rates = {"in_scope_kept": 100 * float((in_scope >= threshold).float().mean())}
    if len(outliers):
        rates["outliers_rejected"] = 100 * float((outliers < threshold).float().mean())
    return rates


def split_metrics(model: JointBert, task: Task) -> dict[str, object]:
    """Metrics on valid and, where there is one, on test."""
    return {
        name: evaluate_model(model, task.encoder, task.splits[name]).to_dict()
        for name in ("valid", "test")
        if name in task.splits
    }


def calibrate(
    checkpoint: Checkpoint, task: Task, outliers: Sequence[str] = (), *, full_precision: Checkpoint | None = None
) -> Checkpoint:
    """The checkpoint with its calibration fitted on valid, and with its metrics on valid and test.

    `outliers`: sentences out of scope that training did not see. `full_precision`: what it was quantized from, whose
    metrics stand beside its own.
    """
    model, encoder = checkpoint.build(), task.encoder
    valid = [utterance for utterance in task.splits["valid"]]
    logits = intent_logits(model, encoder, [utterance.text for utterance in valid])
    # As in scoring, any part of `a#b` is right: the wanted mass goes to the part that the model prefers.
    wanted = torch.zeros_like(logits)
    for row, utterance in enumerate(valid):
        parts = [index for index, name in enumerate(task.labels.intents) if intent_matches(utterance.intent, name)]
        if parts:
            wanted[row, max(parts, key=lambda index: float(logits[row, index]))] = 1.0
    temperature = fit_temperature(logits, wanted)
    best = (logits / temperature).softmax(-1).amax(-1)
    outside = (
        (intent_logits(model, encoder, outliers) / temperature).softmax(-1).amax(-1) if outliers else torch.empty(0)
    )
    threshold = fit_threshold(best, outside)
    metrics = split_metrics(model, task)
    if full_precision is not None:
        known = {name: value for name, value in full_precision.metrics.items() if name in ("valid", "test")}
        metrics["full_precision"] = known or split_metrics(full_precision.build(), task)
    metrics["rejection_valid"] = rejection_rates(best, outside, threshold)
    return replace(
        checkpoint,
        calibration={"temperature": temperature, "out_of_scope_threshold": threshold},
        metrics=metrics,
    )
