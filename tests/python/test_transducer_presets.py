"""The named transducers: sizes, look-ahead, and that the runtime computes each shape as torch does."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sottovoce import Recognizer, _native
from sottovoce.audio import Fbank
from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export import cli
from sottovoce.export.commands import asr_train
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.models.transducer import FAMILY_WEIGHTS, BlockConfig, Encoder, Transducer, TransducerConfig
from sottovoce.export.models.transducer_presets import PRESETS, preset
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec_transducer import transducer_spec
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.command import recipe_config
from sottovoce.export.train.asr.config import RecipeConfig
from sottovoce.export.train.asr.decoding import transcribe_features
from sottovoce.export.train.asr.export import export_checkpoint
from sottovoce.export.train.asr.pieces import Pieces, train_pieces
from sottovoce.export.writers.spec_to_gguf import write_spec

# Parameters in all, of the encoder, predictor and joiner; feature frames an encoder frame; look-ahead in feature frames.
SHAPES = {
    "paper": (67_230_496, 50_350_880, 14_253_568, 2_626_048, 8, 14),
    "hfr": (67_230_496, 50_350_880, 14_253_568, 2_626_048, 4, 14),
    "bolt-v1": (49_049_953, 34_820_512, 12_883_328, 1_346_113, 8, 14),
    "micro": (2_012_680, 1_672_768, 247_336, 92_576, 8, 7),
    "small": (5_754_940, 5_284_428, 341_040, 129_472, 8, 7),
    "whisper-tiny": (5_769_456, 5_305_088, 341_040, 123_328, 8, 36),
}


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_and_look_ahead(name: str) -> None:
    with torch.device("meta"):
        model = Transducer(preset(name).model)
    parts = (count(model), count(model.encoder), count(model.predictor), count(model.joiner))
    assert (*parts, model.config.stride, model.config.look_ahead) == SHAPES[name]


def test_the_papers_size_is_the_papers() -> None:
    assert [round(millions / 1e6, 1) for millions in SHAPES["paper"][:4]] == [67.2, 50.4, 14.3, 2.6]


def test_micro_is_the_default_and_a_wrong_name_is_told() -> None:
    assert preset("micro").model == TransducerConfig()
    with pytest.raises(InvalidInputError, match="wanted paper, hfr, bolt-v1, micro, small, whisper-tiny, found 'huge'"):
        preset("huge")


def test_configurations_of_old_checkpoints_are_read() -> None:
    for shape in PRESETS.values():
        values = json.loads(json.dumps(shape.model.to_dict()))
        assert TransducerConfig.from_dict(values) == shape.model
    old = json.loads(json.dumps(preset("small").model.to_dict()))
    for part in (*old["blocks"], old["predictor"]):
        del part["position"]
    for part in old["blocks"]:
        del part["right_context"], part["activation"], part["cycle"]
    assert TransducerConfig.from_dict(old) == preset("small").model


@torch.no_grad()
def test_the_papers_encoder_looks_140_ms_ahead_and_no_further() -> None:
    torch.manual_seed(0)
    config = preset("paper").model
    encoder = Encoder(config).eval()
    features = torch.randn(1, 24, config.num_mels)
    lengths = torch.tensor([24])
    before = encoder(features, lengths)[0][0, 0]
    for frame, changes in ((15, False), (14, True)):
        perturbed = features.clone()
        perturbed[0, frame] += 1.0
        after = encoder(perturbed, lengths)[0][0, 0]
        assert bool((after != before).any()) == changes


def slim(block: BlockConfig) -> BlockConfig:
    """An eighth of the channels, widths and layers, the same kernels, strides and contexts."""

    def narrow(text: str) -> str:
        *numbers, channels, relu = text.split(",")
        return ",".join([*numbers, str(int(channels) // 8), relu])

    layers = min(block.num_layers, max(1, block.num_layers // 2 if block.right_context else block.num_layers // 4))
    return dataclasses.replace(
        block,
        convs=tuple(map(narrow, block.convs)),
        num_layers=layers,
        model_dim=block.model_dim // 8,
        head_size=block.head_size // 8,
        ffn_size=block.ffn_size // 8,
        left_context=block.left_context[:layers],
        right_context=block.right_context[:layers],
        cycle=block.cycle and 7,
    )


@pytest.fixture(scope="module", params=["paper", "hfr", "bolt-v1", "small", "whisper-tiny"])
def network(request: pytest.FixtureRequest) -> tuple[str, Transducer]:
    torch.manual_seed(1)
    config, features = preset(request.param)
    predictor = dataclasses.replace(config.predictor, model_dim=32, head_size=8, ffn_size=40)
    config = dataclasses.replace(
        config, blocks=tuple(map(slim, config.blocks)), predictor=predictor, joiner_dim=24, vocab_size=5
    )
    model = Transducer(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith(("relative", "content_bias", "position_bias")):
            torch.nn.init.normal_(parameter, std=0.5)
    return features, model


def encoder_of(network: tuple[str, Transducer], kind: WeightKind, folder: Path) -> _native.TransducerEncoder:
    features, model = network
    path = folder / f"{kind}.gguf"
    spec = transducer_spec(model, ["<blk>", *"abcd"], "char", features)
    write_spec(spec, path, Provenance(name="slim", source="test"), FAMILY_WEIGHTS[kind])
    return _native.TransducerEncoder.open(str(path).encode())


def encode(encoder: _native.TransducerEncoder, features: np.ndarray, sizes: list[int]) -> np.ndarray:
    """All frames, in pieces of these sizes over and over, after the look-ahead that finish() appends."""
    features = np.concatenate([features, np.zeros((encoder.look_ahead, encoder.num_mels), np.float32)])
    stream, parts, at = encoder.stream(), [], 0
    while at < len(features):
        size = sizes[len(parts) % len(sizes)]
        parts.append(stream.push(features[at : at + size]))
        at += size
    return np.concatenate(parts)


@pytest.mark.parametrize("kind", FAMILY_WEIGHTS)
@torch.no_grad()
def test_the_runtime_computes_each_shape_as_torch(
    network: tuple[str, Transducer], kind: WeightKind, tmp_path: Path
) -> None:
    model = network[1]
    encoder = encoder_of(network, kind, tmp_path)
    assert (encoder.stride, encoder.look_ahead) == (model.config.stride, model.config.look_ahead)
    inputs = np.random.default_rng(2).standard_normal((3, 333, model.config.num_mels)).astype(np.float32)
    model.set_weights(kind)
    lengths = torch.full((len(inputs),), inputs.shape[1])
    wanted = model.encoder(torch.from_numpy(inputs), lengths)[0].numpy()
    model.set_weights("f32")
    got = np.stack([encode(encoder, features, [8]) for features in inputs])
    assert got.shape == wanted.shape
    error = np.abs(got - wanted).max(2) / np.abs(wanted).max()
    # Random weights: an activation at a tie that rounds the other way shows in the frames that see it. Where there are ties
    # depends on the CPU's float kernels, and in one input one may reach most frames.
    assert error.max() < 1e-4 if kind == "f32" else np.median(error) < 1e-4
    features, got = inputs[0], got[0]
    for sizes in ([1], [15, 8], [3, 0, 31, 5], [encoder.max_frames]):
        assert np.array_equal(encode(encoder, features, sizes), got)


def test_the_runtime_looks_exactly_as_far_ahead(network: tuple[str, Transducer], tmp_path: Path) -> None:
    encoder = encoder_of(network, "f32", tmp_path)
    features = np.random.default_rng(3).standard_normal((24, encoder.num_mels)).astype(np.float32)
    first = encoder.stream().push(features)[0]
    assert len(encoder.stream().push(features[: encoder.look_ahead])) == 0
    assert len(encoder.stream().push(features[: encoder.look_ahead + 1])) == 1
    for frame, changes in ((encoder.look_ahead + 1, False), (encoder.look_ahead, True)):
        perturbed = features.copy()
        perturbed[frame] += 1.0
        assert (encoder.stream().push(perturbed)[0] != first).any() == changes


def test_streams_in_one_call_get_what_each_gets_alone(network: tuple[str, Transducer], tmp_path: Path) -> None:
    encoder = encoder_of(network, "ternary", tmp_path)
    rng = np.random.default_rng(4)
    inputs = [rng.standard_normal((160, encoder.num_mels)).astype(np.float32) for _ in range(3)]
    alone, together = [encoder.stream() for _ in inputs], [encoder.stream() for _ in inputs]
    for at in range(0, 160, 8):
        batch = encoder.push_batch(together, [x[at : at + 8] for x in inputs])
        for stream, x, got in zip(alone, inputs, batch, strict=True):
            assert np.array_equal(stream.push(x[at : at + 8]), got)


@pytest.mark.parametrize(("name", "most"), [("paper", 2_000_000), ("small", 500_000)])
def test_a_further_stream_costs_little(name: str, most: int, tmp_path: Path) -> None:
    config, features = preset(name)
    # What a stream remembers does not depend on these.
    blocks = tuple(dataclasses.replace(block, ffn_size=16) for block in config.blocks)
    predictor = dataclasses.replace(config.predictor, ffn_size=16)
    model = Transducer(dataclasses.replace(config, blocks=blocks, predictor=predictor, vocab_size=5)).eval()
    encoder = encoder_of((features, model), "int8", tmp_path)
    recognizer = Recognizer.from_pretrained(tmp_path / "int8.gguf")
    greedy = recognizer.stream().state_bytes
    assert encoder.cache_bytes < greedy < most
    assert (recognizer.stream(beam=4).state_bytes - greedy) / 3 < 0.3e6


def test_train_asr_takes_a_preset_and_the_config_over_it(tmp_path: Path) -> None:
    def configured(*options: str) -> RecipeConfig:
        parser = argparse.ArgumentParser()
        asr_train.add_arguments(parser)
        return recipe_config(parser.parse_args(["--manifest", "m", "--out", "o", *options]))

    paper = configured("--preset", "paper")
    assert paper.model == preset("paper").model and paper.feature_preset == "slaney128"
    assert configured().model == preset("micro").model
    assert configured("--preset", "hfr", "--vocab-size", "512").model.vocab_size == 512
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model": preset("small").model.to_dict(), "feature_preset": "kaldi80", "seed": 7}))
    mixed = configured("--preset", "paper", "--config", str(config))
    assert (mixed.model, mixed.feature_preset, mixed.seed) == (preset("small").model, "kaldi80", 7)
    config.write_text(json.dumps({"model": "small"}))
    with pytest.raises(DataError, match="--config"):
        configured("--config", str(config))
    with pytest.raises(InvalidInputError, match="found 'tiny'"):
        configured("--preset", "tiny")


@torch.no_grad()
def test_a_checkpoint_exports_with_ternary_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(8)
    pieces = train_pieces(["ab ba", "cab", "a c b"], 16, "char")
    config = dataclasses.replace(preset("micro").model, vocab_size=len(Pieces(pieces)))
    model = Transducer(config).eval()
    model.joiner.output.weight.mul_(20.0)
    model.joiner.output.bias[0] -= 15.0  # so that blanks and labels both come
    model.mean.fill_(-8.0)
    checkpoint = tmp_path / "checkpoint.pt"
    Checkpoint(config, model.state_dict(), pieces, "char", "kaldi80", {}, {}).save(checkpoint)
    noise = (np.random.default_rng(9).standard_normal(16000) * 0.1).astype(np.float32)
    sizes = {}
    for kind in FAMILY_WEIGHTS:
        path = tmp_path / f"{kind}.gguf"
        command = ["export-asr", str(checkpoint), "-o", str(path), "--weights", kind, "--name", "x"]
        assert cli.main(command) == 0 and f"{kind} weights" in capsys.readouterr().out
        sizes[kind] = path.stat().st_size
        model.set_weights(kind)
        wanted = transcribe_features(model, torch.from_numpy(Fbank("kaldi80").compute(noise)))
        stream = Recognizer.from_pretrained(path).stream()
        stream.accept_waveform(noise)
        stream.finish()
        assert len(set(wanted)) > 1 and [token for token, *_ in stream.tokens] == wanted
    assert sizes["ternary"] < 0.35 * sizes["int8"] < 0.1 * sizes["f32"]
    with pytest.raises(InvalidInputError, match="wanted f32, int8, ternary, found 'binary'"):
        export_checkpoint(checkpoint, tmp_path / "no.gguf", weights="binary", name="x")
