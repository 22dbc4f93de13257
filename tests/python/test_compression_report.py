"""`sottovoce-export report`: the table and the picture of several artifacts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from test_binary_training import PIECES, TINY, student

from sottovoce.export.cli import main
from sottovoce.export.models.bert import JointBert, Quantization
from sottovoce.export.train.nlu.checkpoint import Checkpoint, save_checkpoint
from sottovoce.export.writers import write_checkpoint

__all__ = ["student"]  # the fixture: its data are used


def write_model(directory: Path, name: str, slots: list[str], **changes: object) -> None:
    torch.manual_seed(3)
    config = dataclasses.replace(TINY, vocab_size=len(PIECES), num_slots=len(slots), **changes)  # type: ignore[arg-type]
    checkpoint = Checkpoint(config, ["Play", "Wake"], slots, PIECES, dict(JointBert(config).state_dict()), name)
    save_checkpoint(checkpoint, directory / name)
    write_checkpoint(directory / name, directory / f"{name}.gguf")


def test_report(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slots = ["O", "B-artist", "I-artist", "B-time", "I-time"]
    write_model(tmp_path / "models", "binary", slots, quantization=Quantization.binary())
    write_model(
        tmp_path / "models", "dyna", slots, quantization=Quantization.ternary(), adaptive_widths=(100, 50),
        adaptive_depths=(100, 50),
    )  # fmt: skip
    stem = tmp_path / "out" / "picture"
    arguments = ["report", str(tmp_path / "models"), "--data", str(tmp_path / "data"), "--runs", "2", "-o", str(stem)]
    assert main(arguments) == 0
    table = stem.with_suffix(".md").read_text()
    assert table in capsys.readouterr().out
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| binary", "| dyna", "| dyna width 0.5 depth 1", "| dyna width 1 depth 0.5"]
    assert [row[2] for row in rows] == ["binary", "ternary", "ternary", "ternary"]
    assert all(0 <= float(row[4]) <= 100 and row[7].endswith("us |") for row in rows)
    assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert (
        "dyna width 0.5 depth 1" in stem.with_suffix(".svg").read_text()
        or stem.with_suffix(".svg").stat().st_size > 5000
    )


def test_without_data_there_is_latency_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "snips-en", "--runs", "1"]) == 0
    assert "| snips-en | 4 x 312 | ternary | 4.15 MB | - | - | - |" in capsys.readouterr().out


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no intent parser among them" in capsys.readouterr().err
    assert main(["report", "en-micro"]) == 2
    assert main(["report", "no-such-model"]) == 2
    assert "the bundled models are" in capsys.readouterr().err
