"""Quantization-aware training of the recognizer: exact arithmetic, distillation, and what is exported is what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tone_speech import SENTENCES, TINY, corpus, recipe, write_speech

from sottovoce import Recognizer
from sottovoce.audio import Fbank
from sottovoce.errors import InvalidInputError
from sottovoce.export import cli
from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.compress.fake_quant import quantize_activation, quantize_rows, quantized_product
from sottovoce.export.compress.quantized_convolution import quantized_convolution
from sottovoce.export.compress.ternary import ternarize_rows
from sottovoce.export.models.transducer import Conv, Layer, TransducerConfig
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.decoding import transcribe_features
from sottovoce.export.train.asr.export import export_checkpoint
from sottovoce.export.train.asr.losses import node_visits
from sottovoce.export.train.asr.recipe import Trainer

NO_START = {"flat_start_hours": 0.0, "ctc_first_hours": 0.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_speech(tmp_path)


@pytest.fixture
def float_checkpoint(folder: Path) -> Path:
    """A network that has had a few steps: batch norms have statistics."""
    trainer = Trainer(recipe(**NO_START), [corpus(folder)], folder / "float")
    for _ in range(8):
        trainer.step()
    trainer.save()
    return trainer.checkpoint_path


def test_ternary_student_approaches_its_teacher_and_resumes(folder: Path, float_checkpoint: Path) -> None:
    teacher = Checkpoint.load(float_checkpoint)
    config = recipe(weights="ternary", learning_rate=2e-3, hidden_weight=100.0, divergence_weight=100.0, **NO_START)
    data = [corpus(folder)]
    student = Trainer(config, data, folder / "whole", teacher, distill_from=teacher)
    losses = [student.step() for _ in range(16)]
    assert losses[-1].hidden < 0.7 * losses[0].hidden
    assert losses[-1].divergence < 0.7 * losses[0].divergence
    for name, tensor in student.averaged_weights().items():
        if "running" in name:
            assert torch.equal(tensor, teacher.weights[name]), name
    first = Trainer(config, data, folder / "cut", teacher, distill_from=teacher)
    again = [first.step() for _ in range(2)]
    first.save()
    second = Trainer(config, data, folder / "cut", distill_from=teacher)
    again += [second.step() for _ in range(2)]
    assert again == losses[:4]


@torch.no_grad()
def test_export_holds_the_trained_codes_and_the_runtime_agrees(folder: Path, float_checkpoint: Path) -> None:
    start = Checkpoint.load(float_checkpoint)
    start.weights["joiner.output.bias"][0] -= 4  # so early a network says nothing
    trainer = Trainer(recipe(weights="ternary", bfloat16=True, **NO_START), [corpus(folder)], folder / "run", start)
    with torch.enable_grad():
        for _ in range(2):
            trainer.step()
    trainer.save()
    artifact = folder / "model.gguf"
    export_checkpoint(trainer.checkpoint_path, artifact, weights="ternary", name="tones")
    checkpoint = Checkpoint.load(trainer.checkpoint_path)
    assert checkpoint.settings["weights"] == "ternary"
    model, stored = checkpoint.model(), ArtifactWeights(artifact)
    model.set_weights("ternary")
    layer, conv = model.encoder.get_submodule("blocks.1.layers.0"), model.encoder.get_submodule("blocks.1.convs.0")
    assert isinstance(layer, Layer) and isinstance(conv, Conv)
    for stem, weight in (
        ("encoder.1.layer.0.ffn.up.weight", layer.up.weight),
        ("encoder.1.conv.0.weight", conv.folded()[0]),
    ):
        found = stored.matrix(stem, *weight.shape)
        np.testing.assert_array_equal(found, ternarize_rows(weight).dequantize().numpy())
    fbank, recognizer, heard = Fbank("kaldi80"), Recognizer.from_pretrained(artifact), 0
    for number in range(len(SENTENCES)):
        samples = soundfile.read(folder / f"{number}.wav", dtype="float32")[0]
        stream = recognizer.stream()
        stream.accept_waveform(samples)
        stream.finish()
        expected = transcribe_features(model, torch.from_numpy(fbank.compute(samples)))
        assert [token[0] for token in stream.tokens] == expected
        heard += len(expected)
    assert heard > 0
    with pytest.raises(InvalidInputError, match="trained for ternary"):
        export_checkpoint(trainer.checkpoint_path, artifact, weights="int8", name="tones")


@pytest.mark.parametrize("kind", ["ternary", "int8"])
def test_quantized_products_stay_exact_under_autocast(kind: str) -> None:
    torch.manual_seed(3)
    x, weight, wanted = torch.randn(2, 7, 160), torch.randn(24, 160) * 0.1, torch.randn(2, 7, 24)
    results = []
    for enabled in (False, True):
        leaves = [x.clone().requires_grad_(), weight.clone().requires_grad_()]
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = quantized_product(quantize_activation(leaves[0]), leaves[1], None, kind)  # type: ignore[arg-type]
        (y * wanted).sum().backward()  # type: ignore[no-untyped-call]
        results.append([y, *(leaf.grad for leaf in leaves)])
    activation, rows = quantize_activation(x), quantize_rows(weight, kind)  # type: ignore[arg-type]
    sums = activation.values.double() @ rows.codes.double().t()
    exact = sums.float() * (activation.scale.unsqueeze(-1) * rows.scale.float())
    for y, *gradients in results:
        assert torch.equal(y, exact)
        for gradient, reference in zip(gradients, results[0][1:], strict=True):
            torch.testing.assert_close(gradient, reference, rtol=0.02, atol=0.02 * float(reference.abs().max()))


def test_quantized_convolution_is_the_product_over_gathered_frames() -> None:
    torch.manual_seed(4)
    x, weight, bias = torch.randn(2, 6, 13, 9), torch.randn(8, 3 * 5 * 6) * 0.1, torch.randn(8)
    x[0, :, 4:7] = 0  # windows without any signal
    ours, theirs = (each.clone().requires_grad_() for each in (x, x))
    w1, w2 = (weight.clone().requires_grad_() for _ in range(2))
    y = quantized_convolution(ours, w1, bias, (3, 5), (2, 2), "ternary")
    rows = theirs.unfold(2, 3, 2).unfold(3, 5, 2).permute(0, 2, 3, 4, 5, 1).flatten(3)
    expected = quantized_product(quantize_activation(rows), w2, bias, "ternary").movedim(-1, 1)
    assert torch.equal(y, expected)
    y.square().sum().backward()  # type: ignore[no-untyped-call]
    expected.square().sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)
    assert w1.grad is not None and w2.grad is not None  # ours sees activations before their 8 bits
    assert float((w1.grad - w2.grad).norm() / w2.grad.norm()) < 0.02


def test_visits_of_nodes_are_those_of_all_alignments() -> None:
    torch.manual_seed(2)
    frames, targets = 3, [2, 1]
    logits = torch.randn(1, 4, 4, 5) * 2  # a frame and a label more than there are
    log_probs = logits[0].double().log_softmax(-1)
    expected = torch.zeros(4, 4, dtype=torch.float64)
    total = 0.0

    def walk(t: int, u: int, log_prob: float, path: list[tuple[int, int]]) -> None:
        nonlocal total
        if t == frames:
            if u == len(targets):
                total += float(np.exp(log_prob))
                for node in path:
                    expected[node] += float(np.exp(log_prob))
            return
        path = [*path, (t, u)]
        walk(t + 1, u, log_prob + float(log_probs[t, u, 0]), path)
        if u < len(targets):
            walk(t, u + 1, log_prob + float(log_probs[t, u, targets[u]]), path)

    walk(0, 0, 0.0, [])
    visits = node_visits(logits, torch.tensor([[*targets, 0]]), torch.tensor([frames]), torch.tensor([len(targets)]))
    torch.testing.assert_close(visits[0], (expected / total).float(), rtol=1e-4, atol=1e-6)
    assert float(visits.sum()) == pytest.approx(frames + len(targets), rel=1e-5)


def test_mistakes_are_named(folder: Path, float_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "asr", "--manifest", f"{folder}:train", "--out", str(folder / "out"), "--weights", "ternary"]
    command += ["--cache", str(folder / "cache"), "--copies", "0"]
    assert cli.main(command) == 2
    assert "wanted a trained checkpoint to start from" in capsys.readouterr().err
    start = Checkpoint.load(float_checkpoint)
    data = [corpus(folder)]
    with pytest.raises(InvalidInputError, match="trained for weights f32, wanted int8"):
        Trainer(recipe(weights="int8"), data, float_checkpoint.parent, start)
    other = TransducerConfig.from_dict(TINY.to_dict() | {"joiner_dim": 24, "vocab_size": start.config.vocab_size})
    with pytest.raises(InvalidInputError, match="the student's shape"):
        Trainer(
            recipe(weights="int8"),
            data,
            folder / "new",
            start,
            distill_from=Checkpoint(other, {}, start.piece_model, "char", "kaldi80", {}, {}),
        )
