"""Recipes of GhostBERT and NEZHA on tiny models."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from test_binary_training import student

from sottovoce.export.cli import main
from sottovoce.export.data import Utterance, load_dataset, write_bio_directory
from sottovoce.export.nlu_evaluation import agreement, reference_decisions, runtime_decisions
from sottovoce.export.train.nlu.batches import Labels
from sottovoce.export.train.nlu.checkpoint import load_checkpoint
from sottovoce.export.train.nlu.ghost import add_ghosts
from sottovoce.export.train.nlu.nezha import character_pieces, fewer_layers, pretrained

__all__ = ["student"]  # the fixture
IDS = torch.tensor([[2, 5, 6, 7, 3]])


def test_ghosts_start_as_nearly_nothing(student: Path) -> None:
    plain = load_checkpoint(student)
    found = add_ghosts(plain, 2).build().eval()(IDS).slot_logits
    assert torch.allclose(found, plain.build().eval()(IDS).slot_logits, atol=0.03)


def run_twice(arguments: list[str], out: Path, data: Path, final: str) -> None:
    """Run a recipe, and again when it is finished; the runtime decides as the reference."""
    for _ in range(2):
        assert main(arguments) == 0
    test = load_dataset(data)["test"]
    assert agreement(runtime_decisions(str(out / "tiny.gguf"), test), reference_decisions(out / final, test)) == 100


def test_ghost_recipe(student: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    arguments = [
        "train", "ghost", str(student), "--data", str(data), "--out", str(out), "--name", "tiny", "--features", "2",
        "--narrow-epochs", "2", "--ternary-epochs", "1", "--batch-size", "8",
    ]  # fmt: skip
    run_twice(arguments, out, data, "ghost")
    made = load_checkpoint(out / "ghost")
    assert (made.config.ghost_features, made.config.num_heads, made.config.ffn_size) == (2, 2, 20)
    kernel = made.weights["layer.0.ffn.ghost.weight"]
    assert kernel.shape == (2, 24, 3) and kernel.std(1).max() > 0  # trained: channels differ


@pytest.fixture
def chinese(tmp_path: Path) -> Path:
    rng = random.Random(1)
    rows = []
    for _ in range(40):
        if rng.random() < 0.5:
            name = rng.choice(["爱歌", "大海"])
            rows.append(Utterance([*"我要听", *name], ["O"] * 3 + ["B-song", "I-song"], "PlayMusic"))
        else:
            city = rng.choice(["北京", "上海"])
            rows.append(Utterance([*city, *"天气"], ["B-city", "I-city", "O", "O"], "Weather"))
    write_bio_directory({"train": rows, "valid": rows[:10], "test": rows[10:20]}, tmp_path / "zh")
    return tmp_path / "zh"


def test_nezha_recipe(chinese: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [
        "train", "nezha", "--data", str(chinese), "--out", str(out), "--name", "tiny", "--layers", "3", "--hidden", "24",
        "--heads", "4", "--student-layers", "2", "--teacher-epochs", "8", "--student-epochs", "3", "--ternary-epochs", "3",
        "--batch-size", "8",
    ]  # fmt: skip
    run_twice(arguments, out, chinese, "nezha")
    made = load_checkpoint(out / "nezha")
    assert made.config.position == "relative" and made.config.num_layers == 2
    assert "embeddings.position.weight" not in made.weights
    assert made.metrics["test"]["intent_accuracy"] >= 80.0  # chance is 50
    assert load_checkpoint(out / "teacher").config.num_layers == 3


def test_a_nezha_checkpoint_becomes_a_teacher(chinese: Path, tmp_path: Path) -> None:
    train = load_dataset(chinese)["train"]
    pieces = character_pieces(train)
    assert "爱" in pieces and "##a" in pieces and len(set(pieces)) == len(pieces)
    hidden, names = 8, {}
    for stem, shape in (
        ("embeddings.word_embeddings", (len(pieces), hidden)),
        ("embeddings.token_type_embeddings", (2, hidden)),
    ):
        names[f"bert.{stem}.weight"] = torch.randn(shape)
    products = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    for layer in range(2):
        prefix = f"bert.encoder.layer.{layer}"
        for product in (*products, "intermediate.dense", "output.dense"):
            rows = 16 if product == "intermediate.dense" else hidden
            cols = 16 if product == "output.dense" else hidden
            names |= {
                f"{prefix}.{product}.weight": torch.randn(rows, cols),
                f"{prefix}.{product}.bias": torch.randn(rows),
            }
    norms = ["bert.embeddings.LayerNorm"]
    norms += [
        f"bert.encoder.layer.{layer}.{part}.LayerNorm" for layer in range(2) for part in ("attention.output", "output")
    ]
    for norm in norms:
        names |= {f"{norm}.weight": torch.ones(hidden), f"{norm}.bias": torch.zeros(hidden)}
    names |= {"bert.pooler.dense.weight": torch.randn(hidden, hidden), "bert.pooler.dense.bias": torch.randn(hidden)}
    directory = tmp_path / "nezha"
    directory.mkdir()
    torch.save(names, directory / "pytorch_model.bin")
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
    config = {
        "hidden_size": hidden, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
        "vocab_size": len(pieces), "max_position_embeddings": 64, "type_vocab_size": 2, "hidden_act": "gelu",
        "max_relative_position": 8, "use_relative_position": True,
    }  # fmt: skip
    (directory / "bert_config.json").write_text(json.dumps(config))
    teacher = pretrained(directory, Labels.collect(train))
    assert teacher.config.max_relative_position == 8 and teacher.config.pooler_activation == "none"
    key = "layer.1.attention.key.weight"
    assert torch.equal(teacher.weights[key], names["bert.encoder.layer.1.attention.self.key.weight"])
    last = fewer_layers(teacher, 1)
    assert torch.equal(last.weights["layer.0.attention.key.weight"], teacher.weights[key])
    last.build()(torch.tensor([[2, 5, 3]]))
