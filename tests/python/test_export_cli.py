"""`sottovoce-export`: convert and eval end to end on a small random model, help, and one-line mistakes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score

import sottovoce
from sottovoce.export import importers
from sottovoce.export.cli import command_modules, main
from sottovoce.export.data import Utterance, write_bio_directory
from sottovoce.export.models.bert import BertConfig, JointBert, Quantization
from sottovoce.export.nlu_evaluation import tags_of_words
from sottovoce.export.nlu_metrics import evaluate_nlu, slot_spans
from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Spec
from sottovoce.export.spec_bert import ARCHITECTURE, WEIGHTS_BY_NAME, vocabulary_bytes
from sottovoce.export.train.nlu.checkpoint import Checkpoint, save_checkpoint
from sottovoce.export.writers import write_spec

GOLDEN = Path(__file__).parent.parent / "golden"
WORDS = ["play", "some", "jazz", "rock", "dim", "the", "lamp", "lights", "now", "please"]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, "##s", "."]
TAGS = ["O", "B-genre", "I-genre", "B-device", "I-device"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ternary checkpoint with sharp random heads, so that its decisions differ between utterances."""
    torch.manual_seed(5)
    config = BertConfig(
        num_layers=2, hidden_size=28, num_heads=2, head_size=13, ffn_size=50, vocab_size=len(PIECES), num_intents=2,
        num_slots=len(TAGS), max_positions=24, quantization=Quantization.ternary(),
    )  # fmt: skip
    model = JointBert(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("norm.weight"):
                parameter.normal_(std=0.4)
    directory = tmp_path_factory.mktemp("trained")
    save_checkpoint(
        Checkpoint(config, ["PlayMusic", "DimLight"], TAGS, PIECES, dict(model.state_dict()), "tiny"), directory
    )
    return directory


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 random utterances in a test split."""
    rng = np.random.default_rng(0)
    utterances = []
    for _ in range(60):
        words = [str(word) for word in rng.choice(WORDS, rng.integers(1, 9))]
        tags = ["B-genre" if word in ("jazz", "rock") else "B-device" if word == "lamp" else "O" for word in words]
        utterances.append(Utterance(words, tags, "PlayMusic" if "play" in words else "DimLight#PlayMusic"))
    directory = tmp_path_factory.mktemp("data")
    write_bio_directory({"test": utterances}, directory)
    return directory


@pytest.mark.parametrize("weights", [None, "ternary", "int8", "f32"])
def test_convert_and_evaluate(
    trained: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: str | None
) -> None:
    model = tmp_path / "tiny.gguf"
    choice = ["--weights", weights] if weights else []
    assert main(["convert", str(trained), "--to", "gguf", "-o", str(model), *choice]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{model}: tiny, 0.0")
    assert f"{weights or 'ternary'} weights, 2 intent labels, 5 slot labels" in printed.out
    assert ("trained for ternary" in printed.err) == (weights in ("int8", "f32"))
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.gguf"]

    # The reference must see the weights the way this artifact holds them.
    checkpoint = Path(shutil.copytree(trained, tmp_path / "reference"))
    if weights:
        config = json.loads((checkpoint / "config.json").read_text())
        config["model"]["quantization"] = WEIGHTS_BY_NAME[weights]
        (checkpoint / "config.json").write_text(json.dumps(config))
    command = ["eval", "nlu", str(model), "--data", str(data), "--json", "--compare", str(checkpoint)]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["utterances"] == 60
    assert report["agreement"] >= 98  # one of 60 may sit on a rounding tie
    assert main(["eval", "nlu", str(checkpoint), "--reference", "--data", str(data), "--json"]) == 0
    reference = json.loads(capsys.readouterr().out)
    if report["agreement"] == 100:
        assert reference == {key: value for key, value in report.items() if key != "agreement"}
    # The reference built from the artifact itself is that of its checkpoint.
    assert main([*command[:-1], str(model)]) == 0
    assert json.loads(capsys.readouterr().out) == report
    assert main(command[:-3]) == 0
    assert "intent accuracy" in capsys.readouterr().out


def test_artifact_carries_its_origin(trained: Path, tmp_path: Path) -> None:
    model = tmp_path / "a.gguf"
    assert main(["convert", str(trained), "-o", str(model), "--name", "kitchen-en", "--license", "CC0-1.0"]) == 0
    parser = sottovoce.IntentParser.from_pretrained(model)
    assert parser.intents == ["PlayMusic", "DimLight"]
    assert parser.slot_names == ["device", "genre"]
    assert parser.tokenizer.vocab == PIECES
    assert b"kitchen-en" in model.read_bytes()
    assert importers.load(trained).provenance.source_sha256.encode() in model.read_bytes()


def test_an_intent_classifier_of_hugging_face_runs(tmp_path: Path) -> None:
    directory = Path(shutil.copytree(GOLDEN / "bert_tiny", tmp_path / "bert"))
    config = json.loads((directory / "config.json").read_text())
    config.update(architectures=["BertForSequenceClassification"], id2label={"0": "a", "1": "b", "2": "c"})
    (directory / "config.json").write_text(json.dumps(config))
    assert main(["convert", str(directory), "-o", str(tmp_path / "a.gguf")]) == 0
    result = sottovoce.IntentParser.from_pretrained(tmp_path / "a.gguf").parse("piece3 piece4", top_k=3)
    assert sorted(intent.name for intent in result.intents) == ["a", "b", "c"]
    assert result.slots == ()


def random_spec(layers: int, hidden: int, heads: int, ffn: int, width: float = 1.0) -> Spec:
    """A model with the 30,522-piece vocabulary size of BERT and piece lengths like its own."""
    rng = np.random.default_rng(0)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + [f"p{number:05}" + "x" * (number % 2) for number in range(30_518)]
    metadata = {
        "bert.num_layers": layers, "bert.hidden_size": hidden, "bert.num_heads": int(heads * width),
        "bert.head_size": hidden // heads, "bert.ffn_size": int(ffn * width), "bert.qkv_size": int(hidden * width),
        "bert.vocab_size": len(pieces), "bert.max_positions": 512,
        "bert.type_vocab_size": 2, "bert.pooler_activation": "none",
        "intent.labels": [f"intent{n}" for n in range(7)], "slot.labels": ["O", *(f"B-{n}" for n in range(72))],
    }  # fmt: skip
    spec = Spec(ARCHITECTURE, metadata, {})
    for entry in spec.entries():
        for name, shape in entry.arrays().items():
            spec.arrays[name] = rng.normal(size=shape).astype(np.float32)
    spec.arrays["tokenizer.vocab"] = vocabulary_bytes(pieces)
    return spec


@pytest.mark.parametrize(("words", "most"), [("split", 4_300_000), ("binary", 2_900_000)])
def test_size_of_a_binary_tinybert(tmp_path: Path, words: str, most: int) -> None:
    spec = random_spec(4, 312, 12, 1200, width=0.5)  # BinaryBERT's halves have half the heads and neurons
    spec.weights = {**WEIGHTS_BY_NAME["ternary"], "encoder": "split", "word": words}
    for name, shape in spec.shapes().items():
        spec.arrays.setdefault(name, np.ones(shape, np.float32))
    assert write_spec(spec, tmp_path / "a.gguf", Provenance("size")) <= most


def test_size_of_a_ternary_tinybert(tmp_path: Path) -> None:
    spec = random_spec(4, 312, 12, 1200)
    provenance = Provenance("size")
    assert write_spec(spec, tmp_path / "a.gguf", provenance, WEIGHTS_BY_NAME["ternary"]) <= 4_600_000
    positions = {**WEIGHTS_BY_NAME["ternary"], "position": "ternary"}
    assert write_spec(spec, tmp_path / "a.gguf", provenance, positions) <= 4_100_000


def test_families_are_those_of_training() -> None:
    assert dataclasses.asdict(Quantization.ternary()) == WEIGHTS_BY_NAME["ternary"]
    assert dataclasses.asdict(Quantization()) == WEIGHTS_BY_NAME["f32"]


def test_mistakes_take_one_line(trained: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "a.gguf"
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    cases = {
        ("convert", "/nowhere", "-o", str(output)): "/nowhere: no such checkpoint directory",
        ("convert", str(GOLDEN / "bert_tiny"), "-o", str(output)): "no intent head",
        ("convert", str(GOLDEN / "mpnet_tiny"), "-o", str(output)): "teacher only",
        ("convert", str(trained), "-o", str(tmp_path)): "wanted a file to write, found a directory",
        ("convert", str(trained), "-o", "/nowhere/a.gguf"): "no directory /nowhere",
        ("convert", str(trained), "-o", str(output), "--weights", "int4"): "invalid choice: 'int4'",
        ("convert", str(trained)): "required: -o",
        ("eval", "nlu", str(trained), "--data", str(data)): "add --reference",
        ("eval", "nlu", "no-such-model", "--data", str(data)): "no-such-model",
        ("eval", "nlu", str(tmp_path / "broken.gguf"), "--data", str(data)): "broken.gguf",
        ("eval", "nlu", str(trained), "--reference", "--data", "/nowhere"): "/nowhere: no such data",
        ("eval", "nlu", str(trained), "--reference", "--data", str(data), "--split", "dev"): "no split 'dev'",
        ("eval", "nlu", "x", "--data", str(data), "--compare", "/nowhere"): "x",
        ("eval",): "required: KIND",
        ("fly",): "invalid choice: 'fly'",
        (): "required: COMMAND",
    }
    for arguments, message in cases.items():
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = stop.code
        errors = capsys.readouterr().err
        assert status == 2, arguments
        assert message in errors, arguments
        assert errors.count("\n") == 1 and errors.startswith("sottovoce-export"), errors
    assert not output.exists()


def test_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in [("--help",), *((*module.COMMAND, "--help") for module in command_modules())]:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        assert "usage: sottovoce-export" in capsys.readouterr().out


def test_tags_of_words() -> None:
    words = "play some jazz , by miles davis".split()
    slots = [("genre", 10, 14), ("artist", 20, 31)]
    assert tags_of_words(words, slots) == ["O", "O", "B-genre", "O", "O", "B-artist", "I-artist"]
    # The runtime leaves a full stop out of a slot's last word; adjacent slots stay apart.
    assert tags_of_words(["in", "rome.", "oslo"], [("city", 3, 7), ("city", 9, 13)]) == ["O", "B-city", "B-city"]


tag = st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b", "B-a.c-d", "I-a.c-d"])
sentences = st.lists(st.lists(st.tuples(tag, tag), min_size=1, max_size=9), min_size=1, max_size=5)


@given(sentences)
@settings(max_examples=150, deadline=None)
def test_slot_f1_is_that_of_seqeval(pairs: list[list[tuple[str, str]]]) -> None:
    gold, found = ([[pair[side] for pair in sentence] for sentence in pairs] for side in (0, 1))
    metrics = evaluate_nlu([("x", tags) for tags in gold], [("x", tags) for tags in found])
    assert metrics.slot_f1 == pytest.approx(100 * f1_score(gold, found, zero_division=0), abs=1e-9)
    # Tags rebuilt from spans have the same spans.
    for tags in gold:
        words = ["ab"] * len(tags)
        slots = [(name, 3 * first, 3 * last + 2) for name, first, last in slot_spans(tags)]
        assert slot_spans(tags_of_words(words, slots)) == slot_spans(tags)


def test_multi_label_intents_count_when_either_is_predicted() -> None:
    gold = [("flight#airfare", ["O"]), ("flight", ["O"]), ("flight", ["O"])]
    metrics = evaluate_nlu(gold, [("airfare", ["O"]), ("flight#airfare", ["O"]), ("airfare", ["O"])])
    assert metrics.intent_accuracy == pytest.approx(200 / 3)
    assert metrics.exact_match == pytest.approx(200 / 3)


def test_train_nlu_from_data_to_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = [f"    - piece{n % 8} [piece{8 + n % 4}](thing)\n" for n in range(20)]
    others = [f"    - piece{n % 8} piece20\n" for n in range(20)]
    lines = ["nlu:\n- intent: a\n  examples: |\n", *examples, "- intent: b\n  examples: |\n", *others]
    (tmp_path / "nlu.yml").write_text("".join(lines))
    out = tmp_path / "out"
    command = ["train", "nlu", "--data", str(tmp_path / "nlu.yml"), "--out", str(out), "--name", "tiny", "--preset"]
    command += ["minilm-6", "--teacher", str(GOLDEN / "bert_tiny"), "--teacher-epochs", "1", "--ternary-epochs", "1"]
    assert main([*command, "--attribution", "our own sentences"]) == 0
    printed = capsys.readouterr().out
    assert f"{out}/tiny.gguf" in printed
    assert "on 4 utterances" in printed
    parser = sottovoce.IntentParser.from_pretrained(out / "tiny.gguf")
    assert (parser.intents, parser.slot_names) == (["a", "b"], ["thing"])
    assert b"our own sentences" in (out / "tiny.gguf").read_bytes()
    # The command again finds every stage finished and writes the same artifact.
    data = (out / "tiny.gguf").read_bytes()
    assert main([*command, "--attribution", "our own sentences"]) == 0
    assert (out / "tiny.gguf").read_bytes() == data


def test_the_tokenizer_is_the_teachers(tmp_path: Path) -> None:
    cased = shutil.copytree(GOLDEN / "bert_tiny", tmp_path / "cased")
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    (tmp_path / "nlu.csv").write_text("text,intent\n" + "piece1 piece2,a\npiece3,b\n" * 12)
    command = ["train", "nlu", "--data", str(tmp_path / "nlu.csv"), "--out", str(tmp_path / "out"), "--preset"]
    command += ["minilm-6", "--teacher", str(cased), "--teacher-epochs", "1", "--ternary-epochs", "1"]
    assert main(command) == 0
    tokenizer = sottovoce.IntentParser.from_pretrained(tmp_path / "out" / "model.gguf").tokenizer
    assert not tokenizer.lowercase
    assert tokenizer.encode("Piece1").ids != tokenizer.encode("piece1").ids


def test_mpnet_teaches_the_teacher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentences = [f"    - piece{n % 8} [piece{8 + n % 4}](thing)\n" for n in range(12)]
    others = [f"    - piece{n % 8} piece20\n" for n in range(12)]
    (tmp_path / "nlu.yml").write_text(
        "".join(["nlu:\n- intent: a\n  examples: |\n", *sentences, "- intent: b\n  examples: |\n", *others])
    )
    out = tmp_path / "out"
    command = ["train", "nlu", "--data", str(tmp_path / "nlu.yml"), "--out", str(out), "--preset", "minilm-6"]
    command += ["--teacher", str(GOLDEN / "mpnet_tiny"), "--backbone", str(GOLDEN / "bert_tiny")]
    command += ["--mpnet-epochs", "1", "--teacher-epochs", "1", "--ternary-epochs", "1"]
    assert main(command) == 0
    log = [json.loads(line) for line in (out / "teacher" / "metrics.jsonl").read_text().splitlines()]
    assert "valid_score" in log[-1]
    assert (out / "mpnet" / "labels.json").exists()
    training = json.loads((out / "teacher" / "config.json").read_text())
    assert f"--mpnet {GOLDEN / 'mpnet_tiny'}" in json.dumps(training)
    # A lost teacher is made again from the finished MPNet, and the same.
    weights = (out / "teacher" / "model.safetensors").read_bytes()
    for file in (out / "teacher").iterdir():
        file.unlink()
    modified = (out / "mpnet" / "best.pt").stat().st_mtime_ns
    capsys.readouterr()
    assert main(command) == 0
    assert (out / "mpnet" / "best.pt").stat().st_mtime_ns == modified
    assert (out / "teacher" / "model.safetensors").read_bytes() == weights


def test_mistakes_of_train_nlu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt" / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "data").mkdir()
    command = ["train", "nlu", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    for extra, message in (
        ([], "holds no data"),
        (["--teacher", "/nowhere"], "/nowhere: no such checkpoint directory"),
        (["--teacher", str(tmp_path / "gpt")], "model type 'gpt2'"),
        (["--text", "/nowhere.txt"], "/nowhere.txt: no such file"),
    ):
        assert main([*command, *extra]) == 2
        errors = capsys.readouterr().err
        assert message in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "data" / "nlu.csv").write_text("text,intent\n" + "piece1 piece2,a\npiece3,b\n" * 12)
    (tmp_path / "latin1").write_bytes(b"caf\xe9 1 2\n")
    bert = json.loads((GOLDEN / "bert_tiny" / "config.json").read_text())
    del bert["num_attention_heads"]
    shutil.copytree(GOLDEN / "bert_tiny", tmp_path / "headless")
    (tmp_path / "headless" / "config.json").write_text(json.dumps(bert))
    command += ["--teacher", str(GOLDEN / "bert_tiny")]
    for extra, message in (
        (["--outliers", str(tmp_path / "latin1")], "wanted UTF-8"),
        (["--vectors", str(tmp_path / "latin1")], "line 1: "),
        (["--teacher", str(tmp_path / "headless")], "num_attention_heads: wanted a positive whole number"),
    ):
        assert main([*command, *extra]) == 2
        errors = capsys.readouterr().err
        assert message in errors and errors.count("\n") == 1
