"""`distill`, `ternarize`, `binarize` and `dynamize` from a checkpoint to an artifact that runs; --config; LAT; bfloat16."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from test_binary_training import PIECES, TINY, student

import sottovoce
from sottovoce.errors import InvalidInputError, SottovoceError
from sottovoce.export.cli import main
from sottovoce.export.command_config import expand
from sottovoce.export.compress.fake_quant import quantize_activation, quantized_product
from sottovoce.export.compress.loss_aware import adam_curvature, loss_aware_codes, loss_aware_rows
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.compress.ternary import ternarize_rows, ternary_codes
from sottovoce.export.models.bert import JointBert, Quantization
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.student_task import Start, open_student
from sottovoce.export.train.nlu.ternarize import LossAwareBert
from sottovoce.export.writers import write_checkpoint

__all__ = ["student"]  # the fixture


def weighted_error(weight: torch.Tensor, curvature: torch.Tensor, codes: torch.Tensor, alpha: torch.Tensor) -> float:
    return float((curvature * (weight - codes * alpha.unsqueeze(-1)).square()).sum())


class TestLossAware:
    def test_without_curvature_it_is_least_squares(self) -> None:
        weight = torch.randn(30, 80, generator=torch.Generator().manual_seed(1))
        codes, alpha = loss_aware_codes(weight, torch.zeros_like(weight), iterations=60)
        twn = ternary_codes(weight)
        one = torch.ones_like(weight)
        assert weighted_error(weight, one, codes, alpha) <= weighted_error(weight, one, *twn)
        # At the optimum every code is the nearest one, and the scale is the mean of what it stands for.
        assert torch.equal(codes != 0, weight.abs() > alpha.unsqueeze(-1) / 2)
        kept = codes.abs()
        assert torch.allclose(alpha, (weight.abs() * kept).sum(-1) / kept.sum(-1), rtol=1e-5)

    def test_curvature_decides_what_is_worth_a_code(self) -> None:
        weight = torch.tensor([[1.0, -1.0, 0.3, 0.3]])
        assert loss_aware_codes(weight, torch.ones(1, 4))[0].tolist() == [[1, -1, 0, 0]]
        codes, alpha = loss_aware_codes(weight, torch.tensor([[0.001, 0.001, 1.0, 1.0]]))
        assert codes.tolist() == [[1, -1, 1, 1]] and float(alpha) == pytest.approx(0.3, abs=0.01)

    def test_the_error_is_never_above_that_of_twn(self) -> None:
        generator = torch.Generator().manual_seed(2)
        weight, curvature = torch.randn(50, 64, generator=generator), torch.rand(50, 64, generator=generator) ** 4
        found = weighted_error(weight, curvature, *loss_aware_codes(weight, curvature))
        assert found < 0.95 * weighted_error(weight, curvature, *ternary_codes(weight))

    def test_packing_keeps_the_values(self) -> None:
        generator = torch.Generator().manual_seed(3)
        weight, curvature = torch.randn(20, 37, generator=generator), torch.rand(20, 37, generator=generator)
        values = loss_aware_rows(weight.requires_grad_(), curvature)
        assert torch.equal(ternarize_rows(values).dequantize(), values)
        values.sum().backward()
        assert torch.equal(weight.grad, torch.ones_like(weight))

    def test_curvature_is_the_root_of_adams_corrected_second_moment(self) -> None:
        parameter = torch.nn.Parameter(torch.zeros(3))
        optimizer = torch.optim.AdamW([parameter], lr=0.1)
        assert adam_curvature(optimizer.state[parameter], 0.999) is None
        parameter.grad = torch.tensor([1.0, -2.0, 0.0])
        optimizer.step()
        found = adam_curvature(optimizer.state[parameter], 0.999)
        assert found is not None and found.tolist() == pytest.approx([1.0, 2.0, 0.0])

    def test_before_the_first_step_it_is_twn(self) -> None:
        torch.manual_seed(1)
        ternary = JointBert(dataclasses.replace(TINY, quantization=Quantization.ternary())).eval()
        ids = torch.tensor([[2, 5, 6, 7, 3]])
        aware = LossAwareBert(ternary).eval()
        assert torch.equal(aware(ids).slot_logits, ternary(ids).slot_logits)
        assert {id(parameter) for parameter in aware.parameters()} == {
            id(parameter) for parameter in ternary.parameters()
        }


@pytest.mark.parametrize("kind", ["int8", "ternary", "binary"])
def test_packed_products_stay_exact_under_bfloat16(kind: WeightKind) -> None:
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(9, 93, generator=generator).requires_grad_()
    x = torch.randn(2, 5, 93, generator=generator)

    def product() -> torch.Tensor:
        return quantized_product(quantize_activation(x), weight, None, kind)

    plain = product()
    plain.square().sum().backward()
    exact, weight.grad = weight.grad, None
    with torch.autocast("cpu", torch.bfloat16):
        y = product()
    assert torch.equal(y, plain)
    y.square().sum().backward()
    assert exact is not None and weight.grad is not None
    assert torch.allclose(weight.grad, exact, rtol=0.02, atol=0.01 * float(exact.abs().max()))


class TestConfig:
    @staticmethod
    def parser() -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser()
        parser.add_argument("student")
        parser.add_argument("--batch-size", type=int, default=32)
        parser.add_argument("--outliers", action="append")
        parser.add_argument("--widths", nargs="+", type=float)
        parser.add_argument("--bfloat16", action="store_true")
        parser.add_argument("--config", dest="yaml_config")
        return parser

    def test_settings_are_flags_and_the_command_line_wins(self, tmp_path: Path) -> None:
        path = tmp_path / "run.yaml"
        path.write_text(
            "student: here\nbatch_size: 8\noutliers: [a b.txt, c]\nwidths: [1, 0.5]\nbfloat16: true\n", "utf-8"
        )
        options = self.parser().parse_args(expand(self.parser(), ["--config", str(path), "--batch-size", "4"]))
        assert (options.student, options.batch_size, options.bfloat16) == ("here", 4, True)
        assert options.outliers == ["a b.txt", "c"] and options.widths == [1.0, 0.5]
        assert expand(self.parser(), ["there", "--bfloat16"]) == ["there", "--bfloat16"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("batchsize: 8", "unknown setting 'batchsize'; wanted one of batch-size, bfloat16, outliers"),
            ("- 8", "wanted settings, `name: value`, found list"),
            ("a: [", "not YAML"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "run.yaml"
        path.write_text(text)
        with pytest.raises(SottovoceError, match=message):
            expand(self.parser(), [f"--config={path}"])


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("ternarize", ["--method", "twn", "--epochs", "1"]),
        ("ternarize", ["--method", "lat", "--epochs", "2"]),
        ("binarize", ["--narrow-epochs", "1", "--ternary-epochs", "1", "--binary-epochs", "1"]),
        ("dynamize", ["--width-epochs", "1", "--depth-epochs", "1", "--between", "1"]),
    ],
)
def test_from_checkpoint_to_artifact(
    student: Path, tmp_path: Path, command: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(f"data: {tmp_path / 'data'}\nbatch-size: 8\nbfloat16: true\nname: tiny\n")
    arguments = [command, str(student), "--config", str(config), "--out", str(tmp_path / "out"), *more]
    assert main(arguments) == 0
    artifact = tmp_path / "out" / "tiny.gguf"
    assert f"{artifact}: 0.0" in capsys.readouterr().out.replace("\n", "")
    parser = sottovoce.IntentParser.from_pretrained(artifact)
    assert parser.parse("play some jazz by miles").intent.name in ("Play", "Wake")
    assert main(arguments) == 0  # finished: only read
    stages = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    records = [json.loads(line) for stage in stages for line in (stage / "metrics.jsonl").read_text().splitlines()]
    assert all({"step", "epoch", "seconds"} <= record.keys() for record in records) and records


def test_a_student_may_be_an_artifact(student: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(student)
    quantized = dataclasses.replace(
        checkpoint, config=dataclasses.replace(checkpoint.config, quantization=Quantization.ternary())
    )
    save_checkpoint(dataclasses.replace(quantized, attribution={"sources": ["x"]}), tmp_path / "ternary")
    write_checkpoint(tmp_path / "ternary", tmp_path / "tiny.gguf")
    full, task, held = open_student(Start(tmp_path / "tiny.gguf", tmp_path / "data"))
    assert full.config.quantization == Quantization() and full.attribution == {"sources": ["x"]} and held == []
    assert task.encoder.tokenizer.pieces == PIECES
    weight = "layer.0.ffn.up.weight"
    assert torch.equal(full.weights[weight], ternarize_rows(checkpoint.weights[weight]).dequantize())
    with pytest.raises(InvalidInputError, match="its labels are not those of"):
        other = Checkpoint(checkpoint.config, ["A", "B"], checkpoint.slot_labels, PIECES, checkpoint.weights)
        save_checkpoint(other, tmp_path / "other")
        open_student(Start(tmp_path / "other", tmp_path / "data"))
