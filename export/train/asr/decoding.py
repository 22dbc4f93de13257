"""Greedy search in torch: what the runtime's greedy search must agree with."""

from __future__ import annotations

import torch
from torch import Tensor

from sottovoce.export.models.transducer import BLANK, Transducer

MAX_SYMBOLS_PER_FRAME = 5


@torch.no_grad()
def greedy_search(model: Transducer, encoded: Tensor, *, max_symbols: int = MAX_SYMBOLS_PER_FRAME) -> list[int]:
    """Return the labels of one utterance.

    On each frame the best symbol is taken until it is blank or `max_symbols` came; blank does not move the predictor.

    encoded: (frames, model_dim).
    """
    labels = [BLANK]
    rows = model.joiner.encoder(encoded)
    state = model.joiner.predictor(model.predictor(torch.tensor([labels]))[0, -1])
    for row in rows:
        for _ in range(max_symbols):
            symbol = int(model.joiner(row, state).argmax())
            if symbol == BLANK:
                break
            labels.append(symbol)
            history = labels[-_reach(model) :] if _reach(model) < len(labels) else labels
            state = model.joiner.predictor(model.predictor(torch.tensor([history]))[0, -1])
    return labels[1:]


def _reach(model: Transducer) -> int:
    """Labels that the predictor's last output depends on."""
    return sum(model.config.predictor.left_context) + 1


@torch.no_grad()
def transcribe_features(model: Transducer, features: Tensor) -> list[int]:
    """Return the labels of one utterance's log-mel features (frames, mels), not normalised; the model is in eval mode."""
    if len(features) == 0:
        return []
    encoded, _ = model.encoder(model.normalize(features).unsqueeze(0), torch.tensor([len(features)]))
    return greedy_search(model, encoded[0])
