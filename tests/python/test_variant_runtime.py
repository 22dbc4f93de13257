"""Checkpoints of NEZHA, GhostBERT and learned quantizers through `convert` to the runtime: answers, sizes, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_bert_variants import VARIANTS, network

import sottovoce
from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export import importers
from sottovoce.export.artifact_weights import ArtifactWeights
from sottovoce.export.cli import main
from sottovoce.export.importers import Imported
from sottovoce.export.inspection import artifact_sizes
from sottovoce.export.models.bert import Quantization
from sottovoce.export.nlu_evaluation import joint_bert
from sottovoce.export.spec import Spec
from sottovoce.export.spec_bert import ARCHITECTURE, required_features
from sottovoce.export.train.nlu.checkpoint import Checkpoint, save_checkpoint
from sottovoce.export.writers import write_spec
from sottovoce.models import resolve

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefg"]
RANDOM = np.random.default_rng(3)
TEXTS = [" ".join(RANDOM.choice(list("abcdefg"), RANDOM.integers(1, 12))) for _ in range(60)]


def checkpoint(variant: str, directory: Path) -> Checkpoint:
    """A saved checkpoint of a variant, whose intents are about as likely as one another over TEXTS."""
    model = network(variant)
    with torch.no_grad():
        logits = [
            model(torch.tensor([[2, *(PIECES.index(word) for word in text.split()), 3]])).intent_logits
            for text in TEXTS
        ]
        model.intent.bias -= torch.cat(logits).mean(0)
    saved = Checkpoint(model.config, ["x", "y", "z"], ["O", "B-a", "I-a"], PIECES, dict(model.state_dict()))
    save_checkpoint(saved, directory)
    return saved


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_runtime_answers_as_the_reference(variant: str, tmp_path: Path) -> None:
    model = checkpoint(variant, tmp_path / "c").build().eval()
    assert main(["convert", str(tmp_path / "c"), "-o", str(tmp_path / "a.gguf")]) == 0
    parser = sottovoce.IntentParser.from_pretrained(tmp_path / "a.gguf")
    close, same, decisions = 0, 0, set()
    for text in TEXTS:
        ids = torch.tensor([parser.tokenizer.encode(text).ids])
        with torch.no_grad():
            wanted = model(ids, exact=True).intent_logits[0].softmax(-1).numpy()
        by_name = {intent.name: intent.score for intent in parser.parse(text, top_k=3).intents}
        found = np.array([by_name[name] for name in parser.intents])
        close += bool(np.abs(found - wanted).max() < 1e-4)
        same += bool(found.argmax() == wanted.argmax())
        decisions.add(int(wanted.argmax()))
    # An activation at a rounding tie may take the next code and move the scores a little.
    assert same == len(TEXTS) and close >= 0.95 * len(TEXTS)
    assert len(decisions) > 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_reference_of_an_import_is_the_network(variant: str, tmp_path: Path) -> None:
    model = checkpoint(variant, tmp_path / "c").build().eval()
    ids = torch.randint(0, 11, (2, 6))
    assert torch.equal(joint_bert(importers.load(tmp_path / "c").spec)(ids).slot_logits, model(ids).slot_logits)


def test_artifacts_name_the_features_they_need(tmp_path: Path) -> None:
    wanted = {
        "nezha": {"relative_positions"},
        "ghost": {"ghost_features"},
        "clipped": {"learned_clips", "asymmetric_activations"},
        "stepped": {"learned_steps", "4_bit_activations", "asymmetric_activations", "attention_operands"},
        "operands": {"asymmetric_activations", "attention_operands"},
    }
    for variant, features in wanted.items():
        checkpoint(variant, tmp_path / variant)
        imported = importers.load(tmp_path / variant)
        assert set(required_features(imported.spec.metadata)) == features
        write_spec(imported.spec, tmp_path / "a.gguf", imported.provenance)
        metadata = sottovoce.Artifact.open(tmp_path / "a.gguf").metadata
        assert set(metadata["sottovoce.required_features"]) == features


def open_changed(tmp_path: Path, imported: Imported, **metadata: Any) -> None:
    """Write the import with some metadata changed, and open it."""
    imported.spec.metadata.update({f"bert.{key}": value for key, value in metadata.items()})
    write_spec(imported.spec, tmp_path / "a.gguf", imported.provenance)
    sottovoce.IntentParser.from_pretrained(tmp_path / "a.gguf")


def test_impossible_quantizers_are_refused(tmp_path: Path) -> None:
    checkpoint("stepped", tmp_path / "stepped")
    checkpoint("clipped", tmp_path / "clipped")
    step = "layer.1.ffn.up.input_step"
    for value in (0.0, -1.0, 1e-45):
        imported = importers.load(tmp_path / "stepped")
        imported.spec.arrays[step] = np.array([0.1, value], np.float32)
        with pytest.raises(DataError, match=rf"tensor {step}: wanted a positive finite step"):
            open_changed(tmp_path, imported)
    imported = importers.load(tmp_path / "clipped")
    imported.spec.arrays["layer.0.attention.key.input_clip"] = np.array([1, -1, 0, 1], np.float32)
    with pytest.raises(DataError, match=r"key\.input_clip: wanted finite bounds low < high"):
        open_changed(tmp_path, imported)
    with pytest.raises(UnsupportedError, match=r"bert\.activation_bits is 5, wanted 4 or 8"):
        open_changed(tmp_path, importers.load(tmp_path / "stepped"), activation_bits=5)
    with pytest.raises(UnsupportedError, match=r"asymmetric_inputs holds 'ffn', wanted products"):
        open_changed(tmp_path, importers.load(tmp_path / "stepped"), asymmetric_inputs=["ffn"])
    with pytest.raises(DataError, match=r"attention_clip must not be negative"):
        open_changed(tmp_path, importers.load(tmp_path / "stepped"), attention_clip=-1.0)


def test_int8_weights_take_no_asymmetric_inputs(tmp_path: Path) -> None:
    checkpoint("operands", tmp_path / "c")
    imported = importers.load(tmp_path / "c")
    weights = {**imported.spec.weights, "encoder": "int8"}
    with pytest.raises(UnsupportedError, match="int8 encoder weights take 8-bit symmetric inputs"):
        write_spec(imported.spec, tmp_path / "a.gguf", imported.provenance, weights)
    assert not (tmp_path / "a.gguf").exists()


@pytest.mark.parametrize(("words", "most"), [("split", 4.3e6), ("binary", 2.9e6)])
def test_sizes_of_binary_tinybert(words: str, most: float) -> None:
    """4 x 312 with BERT's 30,522 pieces: two added binary products of half width, and two binary word tables or one."""
    stored = ArtifactWeights(resolve("snips-en"))
    vocabulary = np.frombuffer(stored.bytes("tokenizer.vocab"), np.uint8)
    assert len(stored.bytes("tokenizer.vocab").split(b"\n")) == 30522
    metadata = {
        "bert.num_layers": 4, "bert.hidden_size": 312, "bert.num_heads": 6, "bert.head_size": 26, "bert.qkv_size": 156,
        "bert.ffn_size": 600, "bert.vocab_size": 30522, "bert.max_positions": 512, "bert.type_vocab_size": 2,
        "bert.pooler_activation": "tanh", "intent.labels": list(stored.metadata["intent.labels"]),
        "slot.labels": list(stored.metadata["slot.labels"]),
    }  # fmt: skip
    kinds = Quantization.binary(split_words=words == "split")
    assert kinds.word == words
    spec = Spec(ARCHITECTURE, metadata, {"tokenizer.vocab": vocabulary}, vars(kinds))
    assert 0.5 * most < artifact_sizes(spec)["as trained"] <= most
