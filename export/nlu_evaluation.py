"""Decisions of a model, in the runtime or in the torch reference, over labelled utterances."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sottovoce import Artifact, IntentParser
from sottovoce.errors import InvalidInputError, UnsupportedError
from sottovoce.export import importers
from sottovoce.export.data import Utterance
from sottovoce.export.models.bert import BertConfig, JointBert, Quantization
from sottovoce.export.nlu_metrics import slot_spans
from sottovoce.export.spec import Entry, Spec
from sottovoce.export.train.nlu.artifact_start import artifact_checkpoint
from sottovoce.export.train.nlu.batches import Encoder, Labels
from sottovoce.export.train.nlu.evaluate import predict
from sottovoce.export.train.nlu.tokenization import word_tokenizer
from sottovoce.models import resolve

Decision = tuple[str, list[str]]  # the intent, and one BIO tag a word


def tags_of_words(words: Sequence[str], slots: Sequence[tuple[str, int, int]]) -> list[str]:
    """Return one BIO tag a word from slots (name, start, end) in characters of the words joined by one space.

    A word belongs to the slot that its first character, or else a later one, lies in.
    """
    tags, start, previous = [], 0, -1
    for word in words:
        end = start + len(word)
        owner = next((index for index, slot in enumerate(slots) if slot[1] < end and start < slot[2]), -1)
        tags.append("O" if owner < 0 else f"{'I' if owner == previous else 'B'}-{slots[owner][0]}")
        previous, start = owner, end + 1
    return tags


def runtime_decisions(model: str, utterances: Sequence[Utterance]) -> list[Decision]:
    """Decisions of the C++ runtime for a bundled model or an artifact. Raises as `IntentParser.from_pretrained`."""
    return parser_decisions(IntentParser.from_pretrained(model), utterances)


def parser_decisions(parser: IntentParser, utterances: Sequence[Utterance]) -> list[Decision]:
    """Decisions of an open parser."""
    decisions = []
    for utterance in utterances:
        result = parser.parse(utterance.text)
        slots = [(slot.name, slot.start, slot.end) for slot in result.slots]
        decisions.append((result.intent.name, tags_of_words(utterance.words, slots)))
    return decisions


def joint_bert(spec: Spec) -> JointBert:
    """Return the torch reference of an imported model with both heads, quantized as `spec.weights` says.

    Raises:
        InvalidInputError: it has no intent head or no slot head.
    """
    for head in ("intent", "slot"):
        if not spec.metadata.get(f"{head}.labels"):
            raise InvalidInputError(f"the model has no {head} head; fine-tune it with `sottovoce-export train nlu`")
    # What is no field of the network follows from others: qkv_size from the heads, halves from the weights.
    fields = {field.name for field in dataclasses.fields(BertConfig)}
    named = {key.removeprefix("bert."): value for key, value in spec.metadata.items() if key.startswith("bert.")}
    sizes: dict[str, Any] = {key: value for key, value in named.items() if key in fields}
    sizes |= {key: tuple(value) for key, value in sizes.items() if isinstance(value, list)}
    config = BertConfig(
        **sizes,
        num_intents=len(spec.metadata["intent.labels"]),
        num_slots=len(spec.metadata["slot.labels"]),
        quantization=Quantization(**spec.weights),  # type: ignore[arg-type]
    )
    model = JointBert(config)
    model.load_state_dict(
        {
            _parameter_name(entry, name): torch.from_numpy(spec.arrays[name].copy())
            for entry in spec.entries()
            if entry.kind != "bytes"
            for name in entry.arrays(spec.weights.get(entry.family, "f32"))
        }
    )
    return model.eval()


def _parameter_name(entry: Entry, name: str) -> str:
    """`embeddings.word` -> `embeddings.word.weight`, `embeddings.word_2` -> `embeddings.word.weight_2`."""
    return f"{entry.name}.weight{name.removeprefix(entry.name)}" if entry.kind == "embedding" else name


def artifact_reference(path: str) -> JointBert:
    """Return the torch reference of an artifact: its weights, quantized again, which gives the same codes and scales.

    Raises:
        UnsupportedError: weights that are not ternary, int8 or f32, or another architecture.
    """
    checkpoint = artifact_checkpoint(path)
    names = Artifact.open(path).metadata["sottovoce.tensor_names"]
    kinds = {}
    for family, stem in _STEMS.items():
        suffixes = {name.removeprefix(stem) for name in names if name.startswith(stem)} - {".scale", ".bias"}
        for suffix in suffixes:
            if suffix not in _KINDS:
                raise UnsupportedError(
                    f"{path}: {stem}{suffix}: wanted ternary, int8 or f32; name its checkpoint instead"
                )
            kinds[family] = _KINDS[suffix]
    quantization = Quantization(**kinds)  # type: ignore[arg-type]
    return dataclasses.replace(
        checkpoint, config=dataclasses.replace(checkpoint.config, quantization=quantization)
    ).build()


_STEMS = {
    "word": "embeddings.word",
    "position": "embeddings.position",
    "encoder": "layer.0.attention.query.weight",
    "pooler": "pooler.weight",
    "heads": "intent.weight",
}
_KINDS = {".f32": "f32", ".q8r": "int8", ".q8p16x4": "int8", ".q2r": "ternary", ".q2p16x4": "ternary"}


def reference_decisions(model: str | Path, utterances: Sequence[Utterance]) -> list[Decision]:
    """Decisions of the torch reference for a checkpoint directory, an artifact or a bundled model with both heads.

    It computes with the runtime's arithmetic. Raises as `importers.load` and `joint_bert`, or `artifact_reference`.
    """
    if Path(model).is_dir():
        imported = importers.load(model)
        network, pieces, metadata = joint_bert(imported.spec), imported.pieces, imported.spec.metadata
    else:
        parser = IntentParser.from_pretrained(model)
        pieces, metadata = parser.tokenizer.vocab, Artifact.open(resolve(model)).metadata
        network = artifact_reference(resolve(model)).eval()
    settings = {
        key.removeprefix("tokenizer."): value for key, value in metadata.items() if key.startswith("tokenizer.")
    }
    labels = Labels(metadata["intent.labels"], metadata["slot.labels"])
    words = word_tokenizer(pieces, settings)
    return predict(network, Encoder(words, labels, metadata["bert.max_positions"]), utterances)


def agreement(first: Sequence[Decision], second: Sequence[Decision]) -> float:
    """Return the percentage of utterances with the same intent and the same slots in both."""
    same = sum(a[0] == b[0] and slot_spans(a[1]) == slot_spans(b[1]) for a, b in zip(first, second, strict=True))
    return 100 * same / max(len(first), 1)
