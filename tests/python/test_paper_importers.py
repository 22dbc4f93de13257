"""Checkpoints of the papers' public code: what is read, what runs in C++ beside their own networks, and named mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import paper_checkpoints as generate
from generators.paper_network import PaperNetwork, bwn, token_ids, twn
from torch import Tensor

import sottovoce
from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError, SottovoceError, UnsupportedError
from sottovoce.export import importers
from sottovoce.export.cli import main
from sottovoce.export.import_options import ImportOptions
from sottovoce.export.spec import Spec
from sottovoce.export.spec_bert import relative_table, required_features
from sottovoce.export.writers import write_spec

RNG = np.random.default_rng(1)
TEXTS = [" ".join(RNG.choice(generate.WORDS, RNG.integers(1, 12))) for _ in range(80)]


def network(directory: Path, tensors: dict[str, Tensor], **more: Any) -> PaperNetwork:
    """The paper's network of a generated directory."""
    name = "config.json" if (directory / "config.json").exists() else "bert_config.json"
    return PaperNetwork(tensors, json.loads((directory / name).read_text()), **more)


def reference(paper: PaperNetwork) -> np.ndarray[Any, Any]:
    """Class probabilities (texts, labels) of the paper's network."""
    return np.stack([paper.logits(token_ids(text)).softmax(-1).numpy() for text in TEXTS])


def converted(directory: Path, tmp_path: Path, *flags: str) -> np.ndarray[Any, Any]:
    """Class probabilities (texts, labels) of the C++ runtime after `convert`."""
    artifact = tmp_path / "model.gguf"
    assert main(["convert", str(directory), "-o", str(artifact), *flags]) == 0
    return scores(sottovoce.IntentParser.from_pretrained(artifact))


def scores(parser: sottovoce.IntentParser) -> np.ndarray[Any, Any]:
    """Class probabilities (texts, labels) of a parser."""
    rows = []
    for text in TEXTS:
        by_name = {intent.name: intent.score for intent in parser.parse(text, top_k=len(parser.intents)).intents}
        rows.append([by_name[name] for name in parser.intents])
    return np.array(rows)


def test_a_task_tinybert_runs_with_the_relu_before_its_classifier(tmp_path: Path) -> None:
    tensors = generate.tiny_bert(tmp_path / "c", generate.Shape(heads=4, hidden=24))
    imported = importers.load(tmp_path / "c")
    assert importers.recognize(importers.open_source(tmp_path / "c")).family == "TinyBERT"
    assert imported.spec.metadata["bert.pooler_activation"] == "tanh_relu"
    assert imported.spec.metadata["intent.labels"] == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert "does not name its 3 labels" in imported.notes[0]
    found = converted(tmp_path / "c", tmp_path)
    with_relu, without = (reference(network(tmp_path / "c", tensors, relu=relu)) for relu in (True, False))
    assert np.abs(found - with_relu).max() < 1e-4
    assert len(set(with_relu.argmax(1))) > 1  # the decisions are not all the same
    # Loaded by a class without the ReLU, the same tensors answer otherwise.
    assert (with_relu.argmax(1) != without.argmax(1)).mean() > 0.1
    assert np.abs(converted(tmp_path / "c", tmp_path, "--no-classifier-relu") - without).max() < 1e-4


def test_a_general_tinybert_is_an_encoder(tmp_path: Path) -> None:
    generate.tiny_bert(tmp_path / "task")
    generate.tiny_bert(tmp_path / "general", task=False)
    task, general = (importers.load(tmp_path / name).spec for name in ("task", "general"))
    for name, array in general.arrays.items():
        assert np.array_equal(array, task.arrays[name]), name
    assert task.arrays.keys() - general.arrays.keys() == {"intent.weight", "intent.bias"}
    assert general.metadata["bert.pooler_activation"] == "tanh"
    with pytest.raises(InvalidInputError, match="no intent head"):
        write_spec(general, tmp_path / "x", importers.load(tmp_path / "general").provenance)


def test_published_sizes_of_tinybert(tmp_path: Path) -> None:
    counts = {}
    for name, layers, hidden, ffn in (("4L-312", 4, 312, 1200), ("6L-768", 6, 768, 3072)):
        metadata = {
            "bert.num_layers": layers, "bert.hidden_size": hidden, "bert.num_heads": 12, "bert.head_size": hidden // 12,
            "bert.ffn_size": ffn, "bert.qkv_size": hidden, "bert.vocab_size": 30522, "bert.max_positions": 512,
            "bert.type_vocab_size": 2,
        }  # fmt: skip
        shapes = Spec("bert-intent-slot", metadata, {}).shapes()
        counts[name] = sum(int(np.prod(shape)) for shape in shapes.values() if shape)
    assert counts == {"4L-312": 14_350_248, "6L-768": 66_955_008}


def test_ternarybert_is_quantized_again_from_its_shadow_weights(tmp_path: Path) -> None:
    tensors = generate.ternary_bert(tmp_path / "c")
    spec = importers.load(tmp_path / "c").spec
    query = "bert.encoder.layer.1.attention.self.query.weight"
    assert np.allclose(spec.arrays["layer.1.attention.query.weight"], twn(tensors[query], rows=False), atol=1e-6)
    word = "bert.embeddings.word_embeddings.weight"
    assert np.allclose(spec.arrays["embeddings.word"], twn(tensors[word].clamp(-2.5, 2.5), rows=True), atol=1e-6)
    assert spec.weights == {
        "word": "ternary",
        "position": "f32",
        "encoder": "ternary",
        "pooler": "ternary",
        "heads": "f32",
    }
    metadata = spec.metadata
    assert (metadata["bert.activation_granularity"], metadata["bert.activation_clip"]) == ("tensor", 2.5)
    assert (metadata["bert.attention_quantizer"], metadata["bert.attention_clip"]) == ("dynamic", 2.5)
    assert required_features(metadata) == ["attention_operands"]


def test_ternarybert_runs_packed(tmp_path: Path) -> None:
    tensors = generate.ternary_bert(tmp_path / "c")
    found = converted(tmp_path / "c", tmp_path)
    paper = network(tmp_path / "c", tensors, family="ternary")
    assert agrees(found, reference(paper))
    paper.half_scales = False
    assert (found.argmax(1) == reference(paper).argmax(1)).mean() >= 0.95
    # Without its attention quantizers the network answers otherwise.
    floats = network(tmp_path / "c", tensors, family="ternary", quantize_operands=False)
    assert not agrees(found, reference(floats))


def agrees(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> bool:
    """True when decisions are equal, and nearly all probabilities; one in twenty utterances may meet a rounding tie."""
    same = (found.argmax(1) == wanted.argmax(1)).mean()
    return bool(same >= 0.995 and (np.abs(found - wanted).max(1) < 1e-4).mean() >= 0.95)


def test_the_quant_directory_of_ternarybert_is_refused(tmp_path: Path) -> None:
    generate.ternary_bert(tmp_path / "out" / "quant", quant=True)
    with pytest.raises(
        DataError, match=r"`quant` copy.*hold 3 values.*full-precision checkpoint in the directory above.*out\)"
    ):
        importers.load(tmp_path / "out" / "quant")


def test_clips_that_differ_are_kept(tmp_path: Path) -> None:
    tensors = generate.ternary_bert(tmp_path / "c")
    tensors["bert.pooler.dense.act_clip_val"] = torch.tensor([-1.0, 2.0])
    tensors["bert.pooler.dense.weight_clip_val"] = torch.tensor([-0.1, 0.1])
    torch.save(tensors, tmp_path / "c" / "pytorch_model.bin")
    spec = importers.load(tmp_path / "c").spec
    assert spec.metadata["bert.input_quantizer"] == "clipped"
    assert spec.arrays["pooler.input_clip"].tolist() == [-1.0, 2.0]
    assert spec.arrays["layer.0.ffn.up.input_clip"].tolist() == [-2.5, 2.5]
    assert np.abs(spec.arrays["pooler.weight"]).max() <= np.float32(0.1)
    found = converted(tmp_path / "c", tmp_path)
    assert agrees(found, reference(network(tmp_path / "c", tensors, family="ternary")))


def vocabulary(tmp_path: Path) -> ImportOptions:
    """Options that name a vocabulary, which BinaryBERT and the extractor of AutoTinyBERT do not write."""
    path = tmp_path / "vocab.txt"
    path.write_text("".join(piece + "\n" for piece in generate.PIECES))
    return ImportOptions(vocabulary=path, num_heads=3)


@pytest.mark.parametrize("method", ["uniform", "lsq"])
def test_binarybert_halves(tmp_path: Path, method: str) -> None:
    tensors = generate.binary_bert(tmp_path / "c", method=method, bits=8 if method == "uniform" else 4)
    options = ImportOptions(vocabulary=vocabulary(tmp_path).vocabulary)
    spec = importers.load(tmp_path / "c", options).spec
    prefix = "bert.encoder.layer.0.intermediate.dense"
    for half, name in ((1, "weight"), (2, "weight_2")):
        wanted = bwn(tensors[f"{prefix}_{half}.weight"], rows=False)
        assert np.allclose(spec.arrays[f"layer.0.ffn.up.{name}"], wanted, atol=1e-6)
    assert np.allclose(spec.arrays["layer.0.ffn.up.bias"], tensors[f"{prefix}_1.bias"] + tensors[f"{prefix}_2.bias"])
    words = bwn(tensors["bert.embeddings.word_embeddings_2.weight"], rows=True)
    assert np.allclose(spec.arrays["embeddings.word_2"], words, atol=1e-6)
    assert spec.weights["encoder"] == spec.weights["word"] == spec.weights["pooler"] == "split"
    metadata = spec.metadata
    assert (metadata["bert.num_heads"], metadata["bert.head_size"], metadata["bert.weight_halves"]) == (2, 8, 2)
    assert metadata["bert.asymmetric_inputs"] == ["ffn.down", "attention.weights"]
    clips = torch.stack([tensors[f"{prefix}_{half}.input_clip_val"] for half in (1, 2)]).flatten()
    name = "input_clip" if method == "uniform" else "input_step"
    assert np.allclose(spec.arrays[f"layer.0.ffn.up.{name}"], clips)
    operand = "operand_clip" if method == "uniform" else "operand_step"
    assert spec.arrays[f"layer.1.attention.{operand}"].shape == ((8,) if method == "uniform" else (4,))
    wanted_features = {"asymmetric_activations", "attention_operands"}
    wanted_features |= {"learned_clips"} if method == "uniform" else {"learned_steps", "4_bit_activations"}
    assert set(required_features(metadata)) == wanted_features


# Not LSQ at 8 bits, which the paper does not use either: random steps make attention a lattice full of rounding ties.
@pytest.mark.parametrize(("method", "bits"), [("uniform", 8), ("uniform", 4), ("lsq", 4)])
def test_binarybert_runs_packed(tmp_path: Path, method: str, bits: int) -> None:
    tensors = generate.binary_bert(tmp_path / "c", method=method, bits=bits)
    found = converted(tmp_path / "c", tmp_path, "--vocab", str(vocabulary(tmp_path).vocabulary))
    assert agrees(found, reference(network(tmp_path / "c", tensors, family="binary")))


def test_binarybert_before_its_clips_moved_runs_packed(tmp_path: Path) -> None:
    tensors = generate.binary_bert(tmp_path / "c", learned=False)
    found = converted(tmp_path / "c", tmp_path, "--vocab", str(vocabulary(tmp_path).vocabulary))
    assert agrees(found, reference(network(tmp_path / "c", tensors, family="binary")))


def test_the_ternary_stage_of_binarybert(tmp_path: Path) -> None:
    tensors = generate.binary_bert(tmp_path / "c", split=False, learned=False)
    spec = importers.load(tmp_path / "c", vocabulary_only(tmp_path)).spec
    down = twn(tensors["bert.encoder.layer.1.output.dense.weight"], rows=False)
    assert np.allclose(spec.arrays["layer.1.ffn.down.weight"], down, atol=1e-6)
    assert spec.weights["encoder"] == "ternary"
    config = json.loads((tmp_path / "c" / "config.json").read_text())
    del config["dyna_hidden_size"]  # its code sets it nowhere
    (tmp_path / "c" / "config.json").write_text(json.dumps(config))
    assert importers.load(tmp_path / "c", vocabulary_only(tmp_path)).spec.metadata == spec.metadata
    found = converted(tmp_path / "c", tmp_path, "--vocab", str(tmp_path / "vocab.txt"))
    assert agrees(found, reference(network(tmp_path / "c", tensors, family="binary")))


def vocabulary_only(tmp_path: Path) -> ImportOptions:
    """As `vocabulary`, without heads."""
    return ImportOptions(vocabulary=vocabulary(tmp_path).vocabulary)


def test_dynabert_full_and_cut(tmp_path: Path) -> None:
    tensors = generate.dyna_bert(tmp_path / "c")
    paper = network(tmp_path / "c", tensors)
    assert np.abs(converted(tmp_path / "c", tmp_path) - reference(paper)).max() < 1e-4
    # Half the heads (2 of 4), half the neurons, every second layer.
    cut: dict[str, Tensor] = {name: tensor for name, tensor in tensors.items() if "encoder" not in name}
    for new, old in enumerate((0, 2)):
        for name, tensor in tensors.items():
            if f"layer.{old}." in name:
                if ".self." in name or "intermediate" in name:
                    tensor = tensor[: len(tensor) // 2]
                elif name.endswith("output.dense.weight"):
                    tensor = tensor[:, : tensor.shape[1] // 2]
                cut[name.replace(f"layer.{old}.", f"layer.{new}.")] = tensor
    small = PaperNetwork(cut, {**paper.config, "num_attention_heads": 2, "num_hidden_layers": 2})
    found = converted(tmp_path / "c", tmp_path, "--width", "0.5", "--depth", "0.5")
    assert np.abs(found - reference(small)).max() < 1e-4
    # The artifact of the full size holds that sub-network, too.
    assert main(["convert", str(tmp_path / "c"), "-o", str(tmp_path / "full.gguf")]) == 0
    parser = sottovoce.IntentParser.from_pretrained(tmp_path / "full.gguf", width=0.5, depth=0.5)
    assert np.abs(scores(parser) - found).max() < 1e-5
    generate.tiny_bert(tmp_path / "tiny")
    with pytest.raises(UnsupportedError, match="wanted of a TinyBERT; only a DynaBERT"):
        importers.load(tmp_path / "tiny", ImportOptions(width=0.5))


def test_autotinybert_with_odd_heads_runs(tmp_path: Path) -> None:
    tensors = generate.auto_tiny_bert(tmp_path / "c")
    assert importers.load(tmp_path / "c").spec.metadata["bert.head_size"] == 23
    assert np.abs(converted(tmp_path / "c", tmp_path) - reference(network(tmp_path / "c", tensors))).max() < 1e-4


@pytest.mark.parametrize("variant", ["super", "electra", "extracted"])
def test_autotinybert_key_variants(tmp_path: Path, variant: str) -> None:
    generate.auto_tiny_bert(tmp_path / "task")
    generate.auto_tiny_bert(tmp_path / variant, variant)
    wanted = importers.load(tmp_path / "task").spec
    options = vocabulary(tmp_path) if variant == "extracted" else None
    found = importers.recognize(importers.open_source(tmp_path / variant, options))
    assert found.family == "AutoTinyBERT"
    spec = importers.load(tmp_path / variant, options).spec
    assert spec.arrays.keys() == wanted.arrays.keys() - {"intent.weight", "intent.bias"}
    assert all(np.array_equal(array, wanted.arrays[name]) for name, array in spec.arrays.items())
    assert {**spec.metadata, "intent.labels": 0} == {**wanted.metadata, "intent.labels": 0}


def test_an_extracted_model_needs_its_heads(tmp_path: Path) -> None:
    generate.auto_tiny_bert(tmp_path / "c", "extracted")
    with pytest.raises(ModelNotFoundError, match=r"config\.json: no such file.*--heads"):
        importers.load(tmp_path / "c")
    with pytest.raises(ModelNotFoundError, match=r"wanted vocab\.txt or tokenizer\.json, or --vocab"):
        importers.load(tmp_path / "c", ImportOptions(num_heads=3))
    with pytest.raises(DataError, match="width 69 does not divide into 4 attention heads"):
        importers.load(tmp_path / "c", ImportOptions(num_heads=4))
    file = tmp_path / "c" / "pytorch_model.bin"  # one file is enough
    assert importers.load(file, vocabulary(tmp_path)).spec.metadata["bert.qkv_size"] == 69


def test_nezha(tmp_path: Path) -> None:
    tensors = generate.nezha(tmp_path / "c")
    spec = importers.load(tmp_path / "c").spec
    assert spec.metadata["bert.position"] == "relative"
    assert spec.metadata["bert.max_relative_position"] == 5
    assert "embeddings.position" not in spec.arrays
    # The table that a runtime makes anew, looked up as the paper's network does.
    table = torch.from_numpy(relative_table(5, 8))
    steps = torch.arange(12)
    rows = table[(steps[None, :] - steps[:, None]).clamp(-5, 5) + 5]
    assert torch.allclose(rows, network(tmp_path / "c", tensors).relative(12, 8), atol=1e-6)
    found = converted(tmp_path / "c", tmp_path)
    assert np.abs(found - reference(network(tmp_path / "c", tensors))).max() < 1e-4


def test_nezha_reads_chinese(tmp_path: Path) -> None:
    tensors = generate.nezha(tmp_path / "c")
    characters = "打开客厅的灯播放音乐北京明天气"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, "cd", "##s", "，", "##d", "！"]
    assert len(pieces) == len(generate.PIECES)
    (tmp_path / "c" / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
    assert main(["convert", str(tmp_path / "c"), "-o", str(tmp_path / "a.gguf")]) == 0
    parser = sottovoce.IntentParser.from_pretrained(tmp_path / "a.gguf")
    paper = network(tmp_path / "c", tensors)
    # Open the living room's light, play music (with a CD in it), Beijing's weather tomorrow; unknown characters; a full stop.
    for text, split in (
        ("打开客厅的灯", "打 开 客 厅 的 灯"),
        ("播放CD音乐，音乐", "播 放 cd 音 乐 ， 音 乐"),
        ("北京 明天的天气。", "北 京 明 天 的 天 气 [UNK]"),
        ("打龍开", "打 [UNK] 开"),
    ):
        ids = [pieces.index(piece) for piece in ("[CLS]", *split.split(), "[SEP]")]
        assert parser.tokenizer.encode(text).ids == ids
        wanted = paper.logits(ids).softmax(-1).numpy()
        result = parser.parse(text, top_k=3)
        by_name = {intent.name: intent.score for intent in result.intents}
        assert np.abs(np.array([by_name[name] for name in parser.intents]) - wanted).max() < 1e-4


def test_joint_heads_of_the_papers(tmp_path: Path) -> None:
    generate.joint(tmp_path / "c")
    with pytest.raises(DataError, match="intent_labels: wanted the 3 labels of the intent head, found None"):
        importers.load(tmp_path / "c")
    options = ImportOptions(intent_labels=("a", "b", "c"), slot_labels=("O", "B-x", "I-x"))
    metadata = importers.load(tmp_path / "c", options).spec.metadata
    assert (metadata["intent.labels"], metadata["slot.labels"]) == (["a", "b", "c"], ["O", "B-x", "I-x"])
    assert metadata["bert.pooler_activation"] == "tanh"  # the ReLU belongs to `classifier` alone
    files = {"intent": "a\nb\nc\n", "slot": "O\nB-x\nI-x\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    flags = ["--intent-labels", str(tmp_path / "intent"), "--slot-labels", str(tmp_path / "slot")]
    assert main(["convert", str(tmp_path / "c"), "-o", str(tmp_path / "a.gguf"), *flags]) == 0
    assert sottovoce.IntentParser.from_pretrained(tmp_path / "a.gguf").slot_names == ["x"]


Change = Callable[[dict[str, Tensor]], Any]
LAYER = "bert.encoder.layer.1"


@pytest.mark.parametrize(
    ("family", "change", "error", "message"),
    [
        ("tiny_bert", lambda t: t.pop(f"{LAYER}.output.dense.bias"), DataError, r"missing layer\.1\.ffn\.down\.bias"),
        (
            "tiny_bert",
            lambda t: t.update({f"{LAYER}.output.dense.weight": torch.ones(24, 39)}),
            DataError,
            r"layer\.1\.ffn\.down\.weight has shape \(24, 39\), wanted \(24, 40\)",
        ),
        (
            "tiny_bert",
            lambda t: t.update({"bert.extra": torch.ones(1)}),
            DataError,
            r"unexpected tensors, .*bert\.extra",
        ),
        (
            "tiny_bert",
            lambda t: t.update({"classifier.weight": torch.ones(1, 24), "classifier.bias": torch.ones(1)}),
            UnsupportedError,
            r"one output, a regression \(STS-B\)",
        ),
        (
            "tiny_bert",
            lambda t: t.update({"qa_outputs.weight": torch.ones(2, 24), "qa_outputs.bias": torch.ones(2)}),
            UnsupportedError,
            r"a question-answering head \(qa_outputs\); wanted one that classifies, or --encoder-only",
        ),
        (
            "ternary_bert",
            lambda t: t.pop("bert.pooler.dense.act_clip_val"),
            DataError,
            "missing: the clip or step of the input of pooler",
        ),
        (
            "ternary_bert",
            lambda t: t.pop("bert.embeddings.word_embeddings.weight_clip_val"),
            DataError,
            r"missing: the weight clip of embeddings\.word",
        ),
        (
            "ternary_bert",
            lambda t: t.pop(f"{LAYER}.attention.self.clip_attn"),
            DataError,
            "missing: the attention operands layer 1 clip_attn",
        ),
        (
            "ternary_bert",
            lambda t: t.update({"classifier.act_clip_val": torch.tensor([-2.5, 2.5])}),
            DataError,
            "unexpected: the clip or step of the input of classifier",
        ),
        (
            "ternary_bert",
            lambda t: t.update({"bert.pooler.dense.act_clip_val": torch.tensor([2.5, -2.5])}),
            DataError,
            "input of pooler: wanted low < high",
        ),
        (
            "ternary_bert",
            lambda t: t.update({"bert.encoder.extra.act_clip_val": torch.ones(2)}),
            DataError,
            r"unexpected tensor encoder\.extra\.act_clip_val",
        ),
        (
            "binary_bert",
            lambda t: t.pop(f"{LAYER}.attention.self.key_2.weight"),
            DataError,
            r"missing layer\.1\.attention\.key\.weight_2",
        ),
        (
            "binary_bert",
            lambda t: t.pop(f"{LAYER}.attention.self.key_2.input_clip_val"),
            DataError,
            r"the input of layer\.1\.attention\.key \(second half\)",
        ),
        (
            "binary_bert",
            lambda t: t.pop(f"{LAYER}.attention.self.key_1.bias"),
            DataError,
            r"attention\.self\.key\.bias and its second half: wanted two biases",
        ),
        (
            "nezha",
            lambda t: t.update({"bert.embeddings.position_embeddings.weight": torch.ones(32, 24)}),
            DataError,
            r"unexpected embeddings\.position",
        ),
        ("auto_tiny_bert", lambda t: t.pop("bert.pooler.dense.bias"), DataError, r"missing pooler\.bias"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    tmp_path: Path,
    family: str,
    change: Change,
    error: type[SottovoceError],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory = tmp_path / "c"
    tensors = getattr(generate, family)(directory)
    change(tensors)
    torch.save(tensors, directory / "pytorch_model.bin")
    with pytest.raises(error, match=message):
        importers.load(directory, vocabulary_only(tmp_path))
    flags = ["--vocab", str(tmp_path / "vocab.txt")]
    assert main(["convert", str(directory), "-o", str(tmp_path / "a.gguf"), *flags]) == 2
    assert capsys.readouterr().err.startswith(f"sottovoce-export: {directory}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "vocab.txt"]


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("ternary_bert", {"weight_bits": 4}, "weight_bits: wanted 2 or 8, found 4"),
        ("ternary_bert", {"input_bits": None}, "input_bits: wanted 8, found None"),
        ("binary_bert", {"input_bits": 2}, "input_bits: wanted 4 or 8, found 2"),
        (
            "binary_bert",
            {"weight_bits": 2, "weight_quant_method": "twn"},
            "weight_bits is 2, but modules are stored twice",
        ),
        ("binary_bert", {"weight_quant_method": "twn"}, "weight_quant_method 'twn' has no 1-bit form"),
        ("binary_bert", {"sym_quant_qkvo": "yes"}, "sym_quant_qkvo: wanted True or False, found 'yes'"),
        ("binary_bert", {"dyna_hidden_size": 24}, r"layer\.0\.attention\.query\.weight has shape"),
        ("nezha", {"max_relative_position": 0}, "max_relative_position: wanted a positive whole number"),
        ("tiny_bert", {"num_attention_heads": 5}, "width 24 does not divide into 5"),
        ("tiny_bert", {"model_type": "gpt2"}, "model type 'gpt2'; wanted one of Sottovoce, MPNet, BinaryBERT"),
    ],
)
def test_wrong_configurations(tmp_path: Path, family: str, changes: dict[str, Any], message: str) -> None:
    getattr(generate, family)(tmp_path / "c")
    path = next((tmp_path / "c").glob("*config.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(SottovoceError, match=message):
        importers.load(tmp_path / "c", vocabulary_only(tmp_path))


def test_a_pickle_with_code_is_never_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    generate.tiny_bert(tmp_path / "c")
    file = tmp_path / "c" / "pytorch_model.bin"
    torch.save({"bert.pooler.dense.bias": Harmful()}, file)
    with pytest.raises(
        DataError, match=r"pickle that names `pathlib\.Path\.touch`|pickle that names `\w+`|cannot be read"
    ):
        importers.load(tmp_path / "c")
    torch.save(torch.nn.Linear(2, 2), file)  # a whole module, as some publish
    with pytest.raises(
        DataError, match=r"names `torch\.nn\.modules\.linear\.Linear`.*never run; wanted a dictionary of tensors"
    ):
        importers.load(tmp_path / "c")
    torch.save([1, 2], file)
    with pytest.raises(DataError, match=r"pytorch_model\.bin: wanted a dictionary of tensors, found list"):
        importers.load(tmp_path / "c")
    assert not (tmp_path / "ran").exists()
