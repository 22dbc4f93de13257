"""`sottovoce-export inspect`: families, sizes that come true, labels, obstacles and problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import paper_checkpoints as generate

from sottovoce.export import importers
from sottovoce.export.cli import main
from sottovoce.export.inspection import artifact_sizes
from sottovoce.export.spec_bert import WEIGHTS_BY_NAME
from sottovoce.export.writers import write_spec

GOLDEN = Path(__file__).parent.parent / "golden"


def told(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, Any]:
    """The JSON that `inspect` prints."""
    assert main(["inspect", "--json", *arguments]) == status
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


@pytest.mark.parametrize(
    ("generator", "arguments", "family", "reason"),
    [
        ("tiny_bert", {}, "TinyBERT", "fit_dense"),
        ("ternary_bert", {}, "TernaryBERT", "weight_clip_val"),
        ("binary_bert", {}, "BinaryBERT", "stored twice"),
        ("binary_bert", {"split": False}, "BinaryBERT", "ternary stage"),
        ("dyna_bert", {}, "DynaBERT", "output_intermediate"),
        ("auto_tiny_bert", {}, "AutoTinyBERT", "qkv_size"),
        ("auto_tiny_bert", {"variant": "extracted"}, "AutoTinyBERT", "no config.json"),
        ("nezha", {}, "NEZHA", "bert_config.json asks for NEZHA's relative positions"),
    ],
)
def test_families(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    generator: str,
    arguments: dict[str, Any],
    family: str,
    reason: str,
) -> None:
    tensors = getattr(generate, generator)(tmp_path / "c", **arguments)
    (tmp_path / "vocab.txt").write_text("".join(piece + "\n" for piece in generate.PIECES))
    flags = ["--vocab", str(tmp_path / "vocab.txt")]
    flags += ["--heads", "3"] if arguments.get("variant") == "extracted" else []
    report = told(capsys, str(tmp_path / "c"), *flags)
    assert report["family"] == family
    assert reason in report["reason"]
    assert report["problems"] == []
    assert report["tensors"] == {name: list(tensor.shape) for name, tensor in tensors.items()}
    assert report["network"]["bert.num_layers"] == len(
        {name.split("layer")[1][:3] for name in tensors if "layer" in name}
    )
    assert report["files"]["pytorch_model.bin"] == (tmp_path / "c" / "pytorch_model.bin").stat().st_size
    assert len(report["labels"]["intent"]) == (3 if "classifier.weight" in tensors else 0)
    assert not list(tmp_path.glob("*.gguf"))


def test_other_origins(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = told(capsys, str(GOLDEN / "mpnet_tiny"))
    assert (report["family"], report["artifact"]) == ("MPNet", "")
    assert "teacher only" in report["obstacles"][0]
    assert told(capsys, str(GOLDEN / "bert_tiny"))["family"] == "BERT"
    artifact = tmp_path / "a.gguf"
    artifact.write_bytes(b"GGUF")
    assert "sottovoce info" in told(capsys, str(artifact), status=1)["problems"][0]
    assert main(["inspect", str(tmp_path / "nothing")]) == 2
    assert "no such checkpoint directory" in capsys.readouterr().err


@pytest.mark.parametrize("generator", ["tiny_bert", "ternary_bert", "auto_tiny_bert", "binary_bert"])
def test_sizes_come_true(tmp_path: Path, generator: str) -> None:
    arguments = {"learned": False} if generator == "binary_bert" else {}
    getattr(generate, generator)(tmp_path / "c", **arguments)
    if generator == "binary_bert":
        (tmp_path / "c" / "vocab.txt").write_text("".join(piece + "\n" for piece in generate.PIECES))
    imported = importers.load(tmp_path / "c")
    sizes = artifact_sizes(imported.spec)
    assert set(sizes) == {"as trained"} | (set() if generator == "binary_bert" else set(WEIGHTS_BY_NAME))
    for name, promised in sizes.items():
        kinds = None if name == "as trained" else WEIGHTS_BY_NAME[name]
        written = write_spec(imported.spec, tmp_path / "a.gguf", imported.provenance, kinds)
        assert abs(written - promised) < 0.05 * written + 1000, name


def test_what_stands_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.ternary_bert(tmp_path / "ternary")
    assert main(["inspect", str(tmp_path / "ternary"), "--tensors"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path}/ternary: TernaryBERT\n  because     it holds the clips")
    assert "2 layers x 24, 3 heads of 8, feed-forward 40, 25 pieces, 32 positions, pooler tanh" in printed
    assert "trained for word ternary, position f32" in printed
    assert "  tensor      classifier.weight (3, 24)" in printed
    assert "  but " not in printed
    generate.binary_bert(tmp_path / "binary")
    assert "no vocabulary" in told(capsys, str(tmp_path / "binary"), status=1)["problems"][0]
    generate.ternary_bert(tmp_path / "quant", quant=True)
    assert "`quant` copy" in told(capsys, str(tmp_path / "quant"), status=1)["problems"][0]
    generate.auto_tiny_bert(tmp_path / "auto", "extracted")
    problem = told(capsys, str(tmp_path / "auto"), status=1)["problems"][0]
    assert problem == "no config.json: wanted --heads, of which 1, 3 divide the width 69"
    torch.save(torch.nn.Linear(2, 2), tmp_path / "ternary" / "pytorch_model.bin")
    assert "code in a checkpoint is never run" in told(capsys, str(tmp_path / "ternary"), status=1)["problems"][0]
    (tmp_path / "ternary" / "pytorch_model.bin").unlink()
    assert "no tensors" in told(capsys, str(tmp_path / "ternary"), status=1)["problems"][0]
