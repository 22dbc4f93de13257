"""Whisper's encoder from a file, and a streaming recognizer that starts from it."""

from __future__ import annotations

import csv
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sottovoce.audio import Fbank
from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export.importers.whisper import WhisperWeights, read_whisper_encoder
from sottovoce.export.models.transducer import Layer
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.manifest import Source
from sottovoce.export.train.asr.whisper_start import WINDOW, write_start

Floats = npt.NDArray[np.float32]
WIDTH, HIDDEN, LAYERS, ALIVE = 128, 96, 2, 40  # of the hidden neurons, so many are ever active


def tensors() -> dict[str, Tensor]:
    """An encoder with the names and layouts of CTranslate2."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int, scale: float = 0.05) -> Tensor:
        return torch.randn(shape, generator=generator) * scale

    found = {
        "conv1/weight": draw(WIDTH, 80, 3, scale=0.1),
        "conv1/bias": draw(WIDTH),
        "conv2/weight": draw(WIDTH, WIDTH, 3),
        "conv2/bias": draw(WIDTH),
        "position_encodings/encodings": draw(1500, WIDTH, scale=0.2),
        "layer_norm/gamma": 1 + draw(WIDTH),
        "layer_norm/beta": draw(WIDTH),
    }
    for number in range(LAYERS):
        for part, inputs, outputs in (("self_attention", WIDTH, 3 * WIDTH), ("ffn", WIDTH, HIDDEN)):
            stem = f"layer_{number}/{part}"
            found[f"{stem}/layer_norm/gamma"], found[f"{stem}/layer_norm/beta"] = 1 + draw(WIDTH), draw(WIDTH)
            found[f"{stem}/linear_0/weight"], found[f"{stem}/linear_0/bias"] = draw(outputs, inputs), draw(outputs)
            last = WIDTH if part == "self_attention" else HIDDEN
            found[f"{stem}/linear_1/weight"], found[f"{stem}/linear_1/bias"] = draw(WIDTH, last), draw(WIDTH)
        found[f"layer_{number}/ffn/linear_0/bias"][ALIVE:] = -30.0
    return found


def write_model(folder: Path, spec: str = "WhisperSpec", kind: type = np.float32) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    entries = [(f"encoder/{name}", tensor.numpy().astype(kind)) for name, tensor in tensors().items()]
    entries.append(("decoder/other", np.zeros((2, 2), np.float32)))
    numbers = {np.float32: 0, np.int8: 1, np.float16: 4}
    content = struct.pack("<I", 6) + text(spec) + struct.pack("<II", 3, len(entries))
    for name, array in entries:
        content += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        content += struct.pack("<BI", numbers[array.dtype.type], array.nbytes) + array.tobytes()
    folder.mkdir(exist_ok=True)
    (folder / "model.bin").write_bytes(content)
    return folder


def test_the_file_is_read_and_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    weights = read_whisper_encoder(write_model(tmp_path / "whole"))
    assert (weights.width, weights.num_layers, weights.num_heads) == (WIDTH, LAYERS, 2)
    for name, tensor in tensors().items():
        assert torch.equal(weights.tensors[name], tensor), name
    half = read_whisper_encoder(write_model(tmp_path / "half", kind=np.float16))
    assert half.tensors["conv1/bias"].dtype == torch.float32
    with pytest.raises(InvalidInputError, match=r"wanted a CTranslate2 model, found no model\.bin"):
        read_whisper_encoder(tmp_path)
    with pytest.raises(DataError, match="wanted WhisperSpec, found 'MarianSpec'"):
        read_whisper_encoder(write_model(tmp_path / "other", spec="MarianSpec"))
    with pytest.raises(DataError, match="encoder/conv1/weight: wanted float16 or float32, found int8"):
        read_whisper_encoder(write_model(tmp_path / "int8", kind=np.int8))
    path = tmp_path / "whole" / "model.bin"
    content = path.read_bytes()
    for size in (0, 3, 40, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"model\.bin"):
            read_whisper_encoder(path.parent)


@torch.no_grad()
def test_the_trace_is_what_torchs_own_layers_compute() -> None:
    weights = WhisperWeights(tensors())
    mels = torch.randn(2, 80, 60, generator=torch.Generator().manual_seed(2))
    t = weights.tensors
    first = F.conv1d(mels, t["conv1/weight"], t["conv1/bias"], padding=1)
    second = F.conv1d(F.gelu(first), t["conv2/weight"], t["conv2/bias"], stride=2, padding=1)
    x = F.gelu(second).transpose(1, 2) + weights.positions[:30]
    for number in range(LAYERS):
        layer = nn.TransformerEncoderLayer(WIDTH, 2, HIDDEN, 0.0, "gelu", batch_first=True, norm_first=True).eval()
        attention, ffn = f"layer_{number}/self_attention", f"layer_{number}/ffn"
        for module, stem in ((layer.norm1, f"{attention}/layer_norm"), (layer.norm2, f"{ffn}/layer_norm")):
            module.weight.copy_(t[f"{stem}/gamma"])
            module.bias.copy_(t[f"{stem}/beta"])
        layer.self_attn.in_proj_weight.copy_(t[f"{attention}/linear_0/weight"])
        layer.self_attn.in_proj_bias.copy_(t[f"{attention}/linear_0/bias"])
        products = ((layer.self_attn.out_proj, f"{attention}/linear_1"), (layer.linear1, f"{ffn}/linear_0"))
        for product, stem in (*products, (layer.linear2, f"{ffn}/linear_1")):
            product.weight.copy_(t[f"{stem}/weight"])
            product.bias.copy_(t[f"{stem}/bias"])
        x = layer(x)
    trace = weights.trace(mels)
    torch.testing.assert_close(trace.layers[-1].after, x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(trace.encoded, weights.norm("layer_norm", x), rtol=1e-4, atol=1e-4)


def test_a_recognizer_starts_with_whispers_convolutions_attention_and_active_neurons(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    with open(tmp_path / "manifest.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["text", "audio", "seconds"])
        for number in range(9):
            samples = rng.standard_normal(10 * 16000) * np.abs(np.sin(np.arange(160000) / 900)) * 0.1
            soundfile.write(tmp_path / f"{number}.wav", samples.clip(-1, 1), 16000)
            writer.writerow(["turn the light on", f"{number}.wav", "10"])

    def mels(windows: Sequence[Floats]) -> Tensor:
        features = [Fbank("kaldi80").compute(window)[: WINDOW // 160] for window in windows]
        return (torch.from_numpy(np.stack(features)).transpose(1, 2) + 8.0) / 4.0

    path = tmp_path / "start.pt"
    whisper = WhisperWeights(tensors())
    options = {"ffn_size": ALIVE, "vocab_size": 20, "num_windows": 3, "seed": 1}
    share = write_start(whisper, [Source.parse(str(tmp_path))], path, mels=mels, **options)
    checkpoint = Checkpoint.load(path)
    model = checkpoint.model()
    assert model.config.stride == 8 and model.config.vocab_size == 20 and share < 1
    layer = model.encoder.blocks[0].get_submodule("layers").get_submodule("0")
    assert isinstance(layer, Layer)
    fused = whisper.tensors["layer_0/self_attention/linear_0/weight"]
    for product, part in zip((layer.query, layer.key, layer.value), fused.chunk(3), strict=True):
        assert torch.equal(product.weight, part)
    assert torch.equal(layer.up.weight, whisper.tensors["layer_0/ffn/linear_0/weight"][:ALIVE])
    # The features are one affine map apart and no neuron that counts was cut, so only what attention sees differs.
    frames = torch.from_numpy(Fbank("kaldi80").compute(soundfile.read(tmp_path / "0.wav", dtype="float32")[0])[:200])[
        None
    ]
    trace = whisper.trace((frames.transpose(1, 2) + 8.0) / 4.0)
    with torch.no_grad():
        x = model.normalize(frames).transpose(1, 2)
        for conv in model.encoder.blocks[0].get_submodule("convs").children():
            x = conv(F.pad(x, (0, 1)))
        inputs = F.gelu(trace.convs[1])
        assert (x - inputs)[:, :, 2:-2].square().mean() < 0.003 * inputs.var()
        hidden = layer.down(F.gelu(layer.up(whisper.norm("layer_0/ffn/layer_norm", trace.layers[0].between))))
    added = trace.layers[0].after - trace.layers[0].between
    assert (hidden - added).square().mean() < 0.003 * added.var()
    with pytest.raises(DataError, match="wanted at least 56 s of speech to fit on"):
        write_start(whisper, [Source.parse(str(tmp_path))], path, mels=mels, **options | {"num_windows": 1})
