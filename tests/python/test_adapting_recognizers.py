"""Training that goes on from an artifact: its norms, fewer neurons, utterances that begin anywhere in a frame; and attention
computed in blocks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tone_speech import TINY, corpus, recipe, write_speech

from sottovoce.errors import InvalidInputError
from sottovoce.export import cli
from sottovoce.export.models.transducer import Conv, Layer
from sottovoce.export.train.asr.augment import AugmentConfig
from sottovoce.export.train.asr.batches import collate
from sottovoce.export.train.asr.export import export_checkpoint
from sottovoce.export.train.asr.narrow import narrowed
from sottovoce.export.train.asr.recipe import Trainer
from sottovoce.export.train.asr.recognizer_base import PLAIN_NORMS, load_recognizer_base
from sottovoce.export.train.asr.sampler import Item


def dense(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    """Attention of every query over all frames, what it cannot see masked."""
    batch, time, _ = x.shape
    outputs, size = time - layer.right, layer.head_size
    q = layer.query(x[:, :outputs]).view(batch, outputs, layer.heads, size).transpose(1, 2)
    group = layer.heads // layer.kv_heads
    k, v = (
        product(x).view(batch, time, layer.kv_heads, size).transpose(1, 2).repeat_interleave(group, 1)
        for product in (layer.key, layer.value)
    )
    behind = torch.arange(outputs).unsqueeze(1) + layer.right - torch.arange(time)  # the newest frame that is seen
    inside = (behind >= 0) & (behind <= layer.left + layer.right)
    rows = behind.clamp(0, layer.left + layer.right)
    if layer.position_kind == "learned_relative":
        scores = q @ k.transpose(2, 3) + torch.einsum("bhid,ijd->bhij", q, layer.relative[rows])
    else:
        table = layer.position(layer.sinusoids).view(-1, layer.heads, size)[rows]
        scores = (q + layer.content_bias.unsqueeze(1)) @ k.transpose(2, 3)
        scores = scores + torch.einsum("bhid,ijhd->bhij", q + layer.position_bias.unsqueeze(1), table)
    weights = (scores / math.sqrt(size)).masked_fill(~inside, -math.inf).softmax(-1)
    found: torch.Tensor = layer.output((weights @ v).transpose(1, 2).reshape(batch, outputs, -1))
    return found


@pytest.mark.parametrize("position", ["learned_relative", "transformer_xl"])
@pytest.mark.parametrize(("left", "right"), [(5, 0), (28, 4), (500, 0), (0, 0), (0, 3)])
def test_attention_in_blocks_is_attention_over_all_frames(position: str, left: int, right: int) -> None:
    torch.manual_seed(left + right)
    layer = Layer(24, 4, 2, 6, 16, left, 1e-5, 0.0, position, right)  # type: ignore[arg-type]
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    for time in (right + 1, right + 2, 31 + right, 70, 131):
        x = torch.randn(2, time, 24)
        torch.testing.assert_close(layer._attend(x), dense(layer, x), atol=2e-5, rtol=1e-4)


def test_training_goes_on_from_an_artifact_without_a_jump(tmp_path: Path) -> None:
    folder = write_speech(tmp_path)
    data = [corpus(folder)]
    trainer = Trainer(recipe(audio_hours=0.08), data, folder / "run")
    trainer.run(lambda progress: None)
    export_checkpoint(folder / "run" / "checkpoint.pt", folder / "model.gguf", weights="int8", name="tones")
    base = load_recognizer_base(str(folder / "model.gguf"))
    assert base.settings["norms"] == PLAIN_NORMS
    start = {"flat_start_hours": 0.0, "ctc_first_hours": 0.0, "learning_rate": 1e-4}
    again = Trainer(recipe(**start), data, folder / "again", base)
    first = again.step().transducer
    assert first < 0.5 + 1.3 * trainer.step().transducer
    norms = [module.norm for module in again.model.modules() if isinstance(module, Conv)]
    assert all(torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean)) for norm in norms)
    again.save()
    assert Trainer(recipe(**start), data, folder / "again")._plain_norms


def test_fewer_neurons_make_what_all_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_speech(tmp_path)
    data = [corpus(folder)]
    trainer = Trainer(recipe(audio_hours=0.04), data, folder / "run")
    trainer.run(lambda progress: None)
    base = load_recognizer_base(str(folder / "run" / "checkpoint.pt"))
    features = torch.from_numpy(data[0].features(0, 0).astype("float32")).unsqueeze(0)
    lengths = torch.tensor([features.shape[1]])

    def encoded(ffn_size: int) -> torch.Tensor:
        model = narrowed(base, ffn_size, data).model()
        assert {layer.up.out_features for layer in model.encoder.modules() if isinstance(layer, Layer)} == {ffn_size}
        found: torch.Tensor = model.encoder(model.normalize(features), lengths)[0]
        return found

    model = base.model()
    with torch.no_grad():
        whole = model.encoder(model.normalize(features), lengths)[0]
        errors = [float((encoded(size) - whole).square().mean() / whole.square().mean()) for size in (48, 40, 24)]
    assert errors[0] < 1e-3 and errors[0] < errors[1] < errors[2] < 0.5
    kept = narrowed(base, 24, data)
    assert "ctc" in kept.training and kept.config == replace(
        base.config, blocks=tuple(replace(block, ffn_size=24) for block in TINY.blocks)
    )
    with pytest.raises(InvalidInputError, match="wanted 1 to 48 neurons, found 49"):
        narrowed(base, 49, data)
    command = ["train", "asr", "--manifest", f"{folder}:train", "--out", str(folder / "new"), "--ffn-size", "24"]
    assert cli.main([*command, "--copies", "0"]) != 0
    assert "--ffn-size: wanted --init" in capsys.readouterr().err


def test_the_default_recognizer_can_be_adapted() -> None:
    base = load_recognizer_base("en-small")
    assert base.config.blocks[1].num_layers == 0 and base.config.blocks[1].left_context == ()


def test_an_utterance_begins_anywhere_in_a_frame(tmp_path: Path) -> None:
    data = corpus(write_speech(tmp_path))
    items = [Item(0, n, 0, data.length(n, 0)) for n in range(len(data))] * 8
    targets = [[[1]] * len(data)]
    config = AugmentConfig(time_masks=0, freq_masks=0, gain_db=0.0, label_mask=0.0)
    batch = collate(items, [data], targets, lambda x: x, config, torch.Generator().manual_seed(1))
    assert set(batch.leads.tolist()) == set(range(8))
    for row, item in enumerate(items):
        lead, recorded = int(batch.leads[row]), torch.from_numpy(data.features(item.utterance, 0).astype("float32"))
        assert int(batch.lengths[row]) == item.frames + lead
        torch.testing.assert_close(batch.features[row, lead : lead + item.frames], recorded)
        torch.testing.assert_close(batch.features[row, :lead], recorded[1 : lead + 1].flip(0))
        assert not batch.features[row, lead + item.frames :].any()
    plain = collate(items, [data], targets, lambda x: x, None, torch.Generator())
    assert not plain.leads.any()
