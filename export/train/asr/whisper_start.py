"""A streaming recognizer that starts from Whisper's encoder instead of random weights.

Whisper hears 30 s at once; ours attends to half a second back and 80 ms ahead in each layer, which leaves most of Whisper's
features as they are, and training mends the rest. Its convolutions, layers and absolute sinusoids are kept, with two
differences: features are ours, so the first convolution is the ridge regression of Whisper's on them; and each layer keeps its
most active hidden neurons, from which a ridge regression makes what all of them made (as layer-wise reconstruction does after
pruning: He et al., ICCV 2017). A last convolution gives the principal components of Whisper's encoded frames, as far as they
can be had. Predictor, joiner and CTC head are random: train them next.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sottovoce.audio import Fbank
from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.importers.whisper import LayerTrace, WhisperWeights
from sottovoce.export.models.transducer import Conv, Layer, Transducer, TransducerConfig
from sottovoce.export.models.transducer_presets import whisper_shape
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.feature_cache import spoken_utterances
from sottovoce.export.train.asr.least_squares import ridge
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Floats, Source, load_audio
from sottovoce.export.train.asr.pieces import Pieces, train_pieces
from sottovoce.export.train.asr.whisper_features import at_level

WINDOW = 28 * SAMPLE_RATE  # of speech to fit on; Whisper takes 30 s
GAP = SAMPLE_RATE // 2
FEATURES = "kaldi80"
Mels = Callable[[Sequence[Floats]], Tensor]


def write_start(
    whisper: WhisperWeights,
    sources: Sequence[Source],
    path: Path,
    *,
    ffn_size: int,
    vocab_size: int,
    num_windows: int,
    seed: int,
    mels: Mels | None = None,
) -> float:
    """Write a checkpoint fitted on a random part of the sources; their texts make the vocabulary.

    mels: Whisper's features of windows, (windows, samples) -> (windows, 80, frames of 10 ms); by default faster-whisper's.

    Returns the share of the variance of Whisper's last layer that the new encoder explains. Raises what
    `spoken_utterances` raises; DataError: fewer than two windows of speech.
    """
    torch.manual_seed(seed)
    utterances = [u for source in sources for u in spoken_utterances(source)]
    piece_model = train_pieces((u.text for u in utterances), vocab_size)
    speech = windows(sources, num_windows, random.Random(seed))
    if len(speech) < 2:
        raise DataError(f"whisper start: wanted at least {2 * WINDOW // SAMPLE_RATE} s of speech to fit on, found less")
    fbank = Fbank(FEATURES)
    frames = np.concatenate([fbank.compute(window) for window in speech])
    frames = frames[frames.mean(1) > np.percentile(frames.mean(1), 20)]  # most of the gaps
    mean, deviation = torch.from_numpy(frames.mean(0)), torch.from_numpy(frames.std(0))
    sizes = (whisper.width, whisper.num_layers, whisper.num_heads, len(whisper.positions))
    config = whisper_shape(*sizes, ffn_size, len(Pieces(piece_model)))
    model, share = start_from_whisper(whisper, config, speech, (mels or whisper_mels)(speech), mean, 1 / deviation)
    settings = {"start": "whisper", "seed": seed}
    Checkpoint(config, model.state_dict(), piece_model, "bpe", FEATURES, settings, {}).save(path)
    return share


def windows(sources: Sequence[Source], count: int, rng: random.Random) -> list[Floats]:
    """Return up to `count` windows of utterances, as many of each source, at one level, half a second between them."""
    chosen: list[Floats] = []
    for source in sources:
        utterances = spoken_utterances(source, WINDOW / 2 / SAMPLE_RATE)
        rng.shuffle(utterances)
        wanted = count * WINDOW / SAMPLE_RATE / len(sources)
        some = []
        for utterance in utterances:
            some.append(utterance)
            wanted -= utterance.seconds + GAP / SAMPLE_RATE
            if wanted < 0:
                break
        chosen += load_audio(sorted(some, key=lambda u: (u.audio, u.start)))
    rng.shuffle(chosen)
    result: list[Floats] = []
    end = WINDOW
    for samples in chosen:
        if end + len(samples) > WINDOW:
            result.append(np.zeros(WINDOW, np.float32))
            end = 0
        result[-1][end : end + len(samples)] = at_level(samples)
        end += len(samples) + GAP
    return result[:count]


def whisper_mels(samples: Sequence[Floats]) -> Tensor:
    """Return Whisper's features of windows, (windows, 80, frames). Raises UnsupportedError: faster-whisper is missing."""
    try:
        from faster_whisper.feature_extractor import FeatureExtractor
    except ImportError as error:
        raise UnsupportedError(f"whisper: not installed ({error}); pip install faster-whisper") from None

    extractor: Any = FeatureExtractor()
    return torch.stack(
        [torch.from_numpy(np.asarray(extractor(x, padding=0))[:, : WINDOW // 160]) for x in samples]
    ).float()


@torch.no_grad()
def start_from_whisper(
    whisper: WhisperWeights,
    config: TransducerConfig,
    speech: Sequence[Floats],
    mels: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
) -> tuple[Transducer, float]:
    """Return a transducer fitted to `whisper` on windows of speech, and the share of the variance of Whisper's last layer that
    its own explains on the last window, which nothing was fitted to.

    mels: Whisper's features of the windows; mean, inverse_std: (mels), of the features that the recognizer will be fed.
    """
    model = Transducer(config).eval()
    model.mean.copy_(mean)
    model.inverse_std.copy_(inverse_std)
    fbank = Fbank(FEATURES)
    x = model.normalize(torch.stack([torch.from_numpy(fbank.compute(x)[: WINDOW // 160]) for x in speech]))
    trace = whisper.trace(mels)
    block = model.encoder.blocks[0]
    assert isinstance(block, nn.ModuleDict)
    first, second = block["convs"].children()
    layers = list(block["layers"].children())
    assert isinstance(first, Conv) and isinstance(second, Conv)
    seen = F.pad(x.transpose(1, 2), (1, 1)).unfold(2, 3, 1).permute(0, 2, 1, 3).flatten(2)
    weight, bias = ridge(seen[:-1], trace.convs[0].transpose(1, 2)[:-1])
    y = _fill_conv(first, x.transpose(1, 2), weight.view_as(first.conv.weight), bias)
    y = _fill_conv(second, y, whisper.tensors["conv2/weight"], whisper.tensors["conv2/bias"])
    y = y.transpose(1, 2) + whisper.positions[: y.shape[2]]
    for number, layer in enumerate(layers):
        assert isinstance(layer, Layer)
        _fill_layer(layer, whisper, f"layer_{number}", trace.layers[number])
        y = layer(y)
    _fit_last(model, y, trace.encoded)
    target = trace.layers[-1].after[-1:, : y.shape[1]]
    missing = (y[-1:] - target).square().sum((0, 1)) / (target - target.mean((0, 1))).square().sum((0, 1))
    return model, 1.0 - float(missing.mean())


def _fit_last(model: Transducer, y: Tensor, encoded: Tensor) -> None:
    """Let the last convolution give what it can of the principal components of Whisper's encoded frames, each of variance 1.

    y, encoded: (batch, frames, width) at 20 ms; Whisper's frames tell speech sounds apart, its last layer's input less so.
    """
    block = model.encoder.blocks[-1]
    assert isinstance(block, nn.ModuleDict)
    (conv,) = block["convs"].children()
    assert isinstance(conv, Conv)
    kernel, stride = conv.spec.kernel_time, conv.spec.stride_time
    seen = F.pad(y.transpose(1, 2), (1, 1)).unfold(2, kernel, stride).permute(0, 2, 1, 3).flatten(2)
    centred = encoded - encoded.mean((0, 1))
    values, vectors = torch.linalg.eigh(torch.einsum("btc,btd->cd", centred, centred) / centred[..., 0].numel())
    wanted = centred @ vectors[:, -conv.spec.channels :] / values[-conv.spec.channels :].sqrt()
    weight, bias = ridge(seen, wanted[:, ::stride][:, : seen.shape[1]])
    _fill_conv(conv, y.transpose(1, 2), weight.view_as(conv.conv.weight), bias)


def _fill_conv(conv: Conv, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Set the weight, and a batch norm that adds `bias` and changes nothing else on x (batch, channels, time); return y."""
    conv.conv.weight.copy_(weight)
    norm = conv.norm
    assert norm.running_mean is not None and norm.running_var is not None
    plain = conv.conv(F.pad(x, (1, 1)))
    norm.running_mean.copy_(plain.mean((0, 2)))
    norm.running_var.copy_(plain.var((0, 2)))
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
    norm.bias.copy_(norm.running_mean + bias)
    return F.gelu(plain + bias.unsqueeze(1))


def _fill_layer(layer: Layer, whisper: WhisperWeights, name: str, trace: LayerTrace) -> None:
    t = whisper.tensors
    fused = t[f"{name}/self_attention/linear_0/weight"].chunk(3), t[f"{name}/self_attention/linear_0/bias"].chunk(3)
    for product, weight, bias in zip((layer.query, layer.key, layer.value), *fused, strict=True):
        _set(product, weight, bias)
    _set(layer.output, t[f"{name}/self_attention/linear_1/weight"], t[f"{name}/self_attention/linear_1/bias"])
    layer.relative.zero_()
    for norm, stem in ((layer.attention_norm, "self_attention"), (layer.ffn_norm, "ffn")):
        _set(norm, t[f"{name}/{stem}/layer_norm/gamma"], t[f"{name}/{stem}/layer_norm/beta"])
    worth = trace.hidden[:-1].square().mean((0, 1)) * t[f"{name}/ffn/linear_1/weight"].square().sum(0)
    kept = worth.topk(layer.up.out_features).indices.sort().values
    _set(layer.up, t[f"{name}/ffn/linear_0/weight"][kept], t[f"{name}/ffn/linear_0/bias"][kept])
    _set(layer.down, *ridge(trace.hidden[:-1, :, kept], (trace.after - trace.between)[:-1]))


def _set(module: nn.Linear | nn.LayerNorm, weight: Tensor, bias: Tensor) -> None:
    module.weight.copy_(weight)
    module.bias.copy_(bias)
