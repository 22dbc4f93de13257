"""Fewer hidden neurons in an encoder's feed-forward networks: the most active ones stay, and a ridge regression on speech lets
them make what all of them made (layer-wise reconstruction: He et al., ICCV 2017)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sottovoce.errors import InvalidInputError
from sottovoce.export.models.transducer import Layer, Transducer
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.feature_cache import CachedCorpus
from sottovoce.export.train.asr.least_squares import ridge

UTTERANCES = 96  # to fit on


@torch.no_grad()
def narrowed(checkpoint: Checkpoint, ffn_size: int, corpora: Sequence[CachedCorpus], seed: int = 1) -> Checkpoint:
    """Return the recognizer with `ffn_size` hidden neurons in each layer of its encoder.

    Raises InvalidInputError: a layer has fewer.
    """
    model = checkpoint.model()
    layers = {name: layer for name, layer in model.encoder.named_modules() if isinstance(layer, Layer)}
    least = min(layer.up.out_features for layer in layers.values())
    if not 1 <= ffn_size <= least:
        raise InvalidInputError(f"--ffn-size: wanted 1 to {least} neurons, found {ffn_size}")
    hidden: dict[str, list[Tensor]] = {name: [] for name in layers}
    for name, layer in layers.items():

        def keep(module: nn.Module, inputs: tuple[Tensor], name: str = name) -> None:
            hidden[name].append(inputs[0].flatten(0, 1))

        layer.down.register_forward_pre_hook(keep)
    generator = torch.Generator().manual_seed(seed)
    for number in range(UTTERANCES):
        corpus = corpora[number % len(corpora)]
        chosen = int(torch.randint(len(corpus), (), generator=generator))
        features = model.normalize(torch.from_numpy(corpus.features(chosen, 0).astype("float32")))
        model.encoder(features.unsqueeze(0), torch.tensor([len(features)]))
    blocks = tuple(dataclasses.replace(block, ffn_size=ffn_size) for block in checkpoint.config.blocks)
    config = dataclasses.replace(checkpoint.config, blocks=blocks)
    weights = dict(checkpoint.weights)
    for name, layer in layers.items():
        x = torch.cat(hidden[name])
        worth = x.square().mean(0) * layer.down.weight.square().sum(0)
        kept = worth.topk(ffn_size).indices.sort().values
        down, bias = ridge(x[:, kept], x @ layer.down.weight.T)
        weights[f"encoder.{name}.up.weight"] = layer.up.weight[kept]
        weights[f"encoder.{name}.up.bias"] = layer.up.bias[kept]
        weights[f"encoder.{name}.down.weight"] = down
        weights[f"encoder.{name}.down.bias"] = layer.down.bias + bias
    Transducer(config).load_state_dict(weights)  # every shape fits
    heads = {name: state for name, state in checkpoint.training.items() if name == "ctc"}
    return dataclasses.replace(checkpoint, config=config, weights=weights, training=heads)
