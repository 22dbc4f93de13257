"""The torch reference of a bundled artifact: the same weights, the same fake quantization, the same labels."""

from __future__ import annotations

from typing import Any

import torch

from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.models.bert import BertConfig, JointBert, Quantization
from sottovoce.models import resolve


def reference_of(name: str) -> JointBert:
    """Return the reference network of an artifact, in evaluation mode."""
    weights = ArtifactWeights(resolve(name))
    meta: dict[str, Any] = weights.metadata
    config = BertConfig(
        num_layers=meta["bert.num_layers"],
        hidden_size=meta["bert.hidden_size"],
        num_heads=meta["bert.num_heads"],
        head_size=meta["bert.head_size"],
        ffn_size=meta["bert.ffn_size"],
        vocab_size=meta["bert.vocab_size"],
        num_intents=len(meta["intent.labels"]),
        num_slots=len(meta["slot.labels"]),
        max_positions=meta["bert.max_positions"],
        type_vocab_size=meta["bert.type_vocab_size"],
        layer_norm_epsilon=meta["bert.layer_norm_epsilon"],
        hidden_activation=meta["bert.hidden_activation"],
        pooler_activation=meta["bert.pooler_activation"],
        activation_granularity=meta["bert.activation_granularity"],
        activation_clip=meta["bert.activation_clip"],
        quantization=Quantization.ternary(),
    )
    model = JointBert(config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            stem = parameter_name.removesuffix(".weight")
            if parameter.dim() == 2:
                stem = stem if stem.startswith("embeddings.") else parameter_name
                value = weights.matrix(stem, *parameter.shape)
            else:
                value = weights.plain(parameter_name)
            parameter.copy_(torch.from_numpy(value.copy()).reshape(parameter.shape))
    return model.eval()
