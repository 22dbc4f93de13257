"""Makes tests/golden/transducer_tiny with the torch reference (export/models/transducer.py).

`f32.gguf`, `int8.gguf` and `ternary.gguf` hold one small network of random weights; the `.bin` beside each its activations on
the tone glide of `tone()`: records of (u32 name length, name, u32 count, count float32), read by tests/csrc/models/golden.h.
`xl_*` are the same with Transformer-XL positions. In `ternary` every family is ternary, in `xl_ternary` those that
`--weights ternary` makes so.
Run: PYTHONPATH=sdk python tests/golden/make_transducer.py
"""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sottovoce.audio import Fbank
from sottovoce.export.models.transducer import (
    FAMILY_WEIGHTS,
    BlockConfig,
    PredictorConfig,
    Transducer,
    TransducerConfig,
)
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec_transducer import transducer_spec
from sottovoce.export.train.asr.decoding import greedy_search
from sottovoce.export.writers.spec_to_gguf import write_spec

HERE = Path(__file__).parent / "transducer_tiny"
NUM_SAMPLES = 5500
SEED, XL_SEED = 8, 23  # two whose tokens are not all alike
PIECES = ["<blk>", *("\u2581" + a for a in "abcdef"), *"ghijklmnopqrst"]
CONFIG = TransducerConfig(
    blocks=(
        BlockConfig(("conv2d:3,7,2,2,4,1", "conv2d:3,5,2,2,4,1", "conv1d:1,1,24,0"), 1, 24, 4, 6, 32, (5,)),
        BlockConfig(("conv1d:3,2,40,1", "conv1d:1,1,32,0"), 2, 32, 4, 8, 48, (3, 6), num_kv_heads=2),
    ),
    predictor=PredictorConfig(12, 24, 1, 3, 8, 32, (3,)),
    joiner_dim=24,
    vocab_size=len(PIECES),
)
XL = dataclasses.replace(
    CONFIG,
    blocks=tuple(dataclasses.replace(block, position="transformer_xl") for block in CONFIG.blocks),
    predictor=dataclasses.replace(CONFIG.predictor, position="transformer_xl"),
)
ALL_TERNARY = dict.fromkeys(FAMILY_WEIGHTS["ternary"], "ternary")


def tone() -> np.ndarray:
    """(NUM_SAMPLES,) float32: a triangle wave whose pitch climbs, from exact integer arithmetic."""
    phase = np.cumsum(400 + np.arange(NUM_SAMPLES) // 4) % 65536
    return ((np.abs(phase - 32768) - 16384) / 65536.0).astype(np.float32)


@torch.no_grad()
def network(config: TransducerConfig, seed: int) -> Transducer:
    """Weights large enough that every term of the forward pass shows."""
    torch.manual_seed(seed)
    model = Transducer(config).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.uniform_(0.6, 1.4)
            module.bias.normal_(std=0.3)
        elif isinstance(module, nn.LayerNorm):
            module.weight.uniform_(0.6, 1.4)
            module.bias.normal_(std=0.2)
        elif isinstance(module, nn.Linear):
            module.weight.mul_(2.0)
    for name, parameter in model.named_parameters():
        if name.endswith(("relative", "content_bias", "position_bias")):
            parameter.normal_(std=0.5)
    model.joiner.predictor.weight.mul_(2.0)
    model.predictor.embedding.weight.mul_(2.0)
    model.joiner.output.weight.mul_(3.0)
    model.joiner.output.bias[0] += 9.0
    model.mean.copy_(torch.linspace(-9.0, -7.0, CONFIG.num_mels))
    model.inverse_std.copy_(torch.linspace(0.3, 0.5, CONFIG.num_mels))
    return model


def record(model: Transducer) -> dict[str, Tensor]:
    """Outputs of every convolution and layer, time first, as the runtime lays them out."""
    values: dict[str, Tensor] = {}

    def keep(name: str, after: Tensor) -> None:
        rows = after[0]  # (channels, time, freq), (channels, time) or, for layers, (time, dim)
        values[name] = (rows.movedim(0, -1) if ".conv." in name else rows).contiguous()

    hooks = []
    for b, block in enumerate(model.encoder.blocks):
        for kind, modules in (("conv", block["convs"]), ("layer", block["layers"])):
            for i, module in enumerate(modules):
                name = f"encoder.{b}.{kind}.{i}"
                hooks.append(module.register_forward_hook(lambda _, x, y, name=name: keep(name, y)))
    features = torch.from_numpy(Fbank("kaldi80").compute(tone()))
    normalized = model.normalize(features)
    encoded, _ = model.encoder(normalized.unsqueeze(0), torch.tensor([len(features)]))
    for hook in hooks:
        hook.remove()
    tokens = greedy_search(model, encoded[0])
    predicted = model.predictor(torch.tensor([[0, *tokens]]))[0]
    e, p = model.joiner.encoder(encoded[0]), model.joiner.predictor(predicted)
    return {
        "features": features,
        "normalized": normalized,
        **values,
        "encoded": encoded[0],
        "joiner.encoder": e,
        "joiner.predictor": p,
        "logits.last": model.joiner(e[-1], p[-1]),
        "tokens": torch.tensor(tokens, dtype=torch.float32),
    }


@torch.no_grad()
def main() -> None:
    """Write the files."""
    HERE.mkdir(exist_ok=True)
    for prefix, config, seed, ternary in (
        ("", CONFIG, SEED, ALL_TERNARY),
        ("xl_", XL, XL_SEED, FAMILY_WEIGHTS["ternary"]),
    ):
        model = network(config, seed)
        for kind, weights in (("f32", {}), ("int8", FAMILY_WEIGHTS["int8"]), ("ternary", ternary)):
            name = prefix + kind
            model.set_weights(weights)
            provenance = Provenance(name=f"transducer-tiny-{name}", source="tests/golden/make_transducer.py")
            write_spec(transducer_spec(model, PIECES, "bpe", "kaldi80"), HERE / f"{name}.gguf", provenance, weights)
            values = record(model)
            with open(HERE / f"{name}.bin", "wb") as file:
                for key, tensor in values.items():
                    flat = tensor.numpy().astype("<f4").ravel()
                    file.write(
                        struct.pack("<I", len(key)) + key.encode() + struct.pack("<I", flat.size) + flat.tobytes()
                    )
            print(name, [int(token) for token in values["tokens"]])


if __name__ == "__main__":
    main()
