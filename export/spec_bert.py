"""The contract of `bert-intent-slot`: a BERT encoder with an intent head and a slot head (csrc/models/bert_encoder.cc).

Beyond plain BERT it describes what the papers' checkpoints need (docs/artifact_format.md): relative positions (NEZHA), learned
activation quantizers (BinaryBERT), ghost features (GhostBERT). `required_features` says which of that a model uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.spec import Array, Entry, metadata_size, register_contract

ARCHITECTURE = "bert-intent-slot"

# Family -> weights, by the name that `convert --weights` takes. Token types (2 rows) always stay float.
WEIGHTS_BY_NAME: dict[str, dict[str, str]] = {
    "ternary": {"word": "ternary", "position": "int8", "encoder": "ternary", "pooler": "int8", "heads": "int8"},
    "int8": {"word": "int8", "position": "int8", "encoder": "int8", "pooler": "int8", "heads": "int8"},
    "f32": {"word": "f32", "position": "f32", "encoder": "f32", "pooler": "f32", "heads": "f32"},
}

# What `sottovoce.required_features` of an artifact may name (csrc/artifact/format.h, kFeatures) -> why.
FEATURES = {
    "relative_positions": "positions that act inside attention (bert.position = relative)",
    "learned_clips": "a clip of its own for the input of every product (bert.input_quantizer = clipped)",
    "learned_steps": "a learned quantization step for the input of every product (bert.input_quantizer = stepped)",
    "asymmetric_activations": "activations quantized from their minimum to their maximum (bert.asymmetric_inputs)",
    "4_bit_activations": "4-bit activations (bert.activation_bits = 4)",
    "ghost_features": "convolutions over the tokens after attention and feed-forward (bert.ghost_features)",
    "attention_operands": "query, key, value and attention weights as integers (bert.attention_quantizer)",
}

_CHOICES = {
    "bert.position": ("absolute", "relative"),
    "bert.input_quantizer": ("dynamic", "clipped", "stepped"),
    "bert.attention_quantizer": ("none", "dynamic", "clipped", "stepped"),
}
# Who may be asymmetric: the products but ffn.down; ffn.down; query, key and value as operands; attention weights.
ASYMMETRIC_ROLES = ("products", "ffn.down", "attention.operands", "attention.weights")


@register_contract(ARCHITECTURE)
def bert_entries(metadata: Mapping[str, Any]) -> list[Entry]:
    """Return the entries. A head is there when its labels are: a pretrained encoder has none yet.

    Raises:
        DataError: a size is missing or does not fit the others.
    """

    def size(name: str) -> int:
        return metadata_size(metadata, f"bert.{name}")

    hidden, qkv, ffn = size("hidden_size"), size("qkv_size"), size("ffn_size")
    if qkv != size("num_heads") * size("head_size"):
        raise DataError(f"bert.qkv_size: wanted num_heads x head_size, found {qkv}")
    for key, choices in _CHOICES.items():
        if metadata.get(key, choices[0]) not in choices:
            raise DataError(f"{key}: wanted {' or '.join(choices)}, found {metadata[key]!r}")
    ghosts = size("ghost_features") if metadata.get("bert.ghost_features") else 0
    relative = metadata.get("bert.position") == "relative"
    if relative:
        size("max_relative_position")
    positions = Entry("embeddings.position", "embedding", (size("max_positions"), hidden), "position")
    entries = [
        Entry("tokenizer.vocab", "bytes", ()),
        Entry("embeddings.word", "embedding", (size("vocab_size"), hidden), "word"),
        *([] if relative else [positions]),
        Entry("embeddings.token_type", "embedding", (size("type_vocab_size"), hidden), "token_type"),
        *_norm("embeddings.norm", hidden),
    ]
    for layer in range(size("num_layers")):
        prefix = f"layer.{layer}"
        entries += [
            Entry(f"{prefix}.attention.query", "product", (qkv, hidden)),
            Entry(f"{prefix}.attention.key", "product", (qkv, hidden)),
            Entry(f"{prefix}.attention.value", "product", (qkv, hidden)),
            Entry(f"{prefix}.attention.output", "product", (hidden, qkv)),
            *_ghost(f"{prefix}.attention", ghosts, hidden),
            *_norm(f"{prefix}.attention.norm", hidden),
            Entry(f"{prefix}.ffn.up", "product", (ffn, hidden)),
            Entry(f"{prefix}.ffn.down", "product", (hidden, ffn)),
            *_ghost(f"{prefix}.ffn", ghosts, hidden),
            *_norm(f"{prefix}.ffn.norm", hidden),
        ]
    if metadata.get("bert.pooler_activation") != "none":
        entries.append(Entry("pooler", "product", (hidden, hidden), "pooler"))
    for head in ("intent", "slot"):
        if metadata.get(f"{head}.labels"):
            entries.append(Entry(head, "product", (len(metadata[f"{head}.labels"]), hidden), "heads"))
    return [*entries, *_quantizers(metadata, entries)]


def _quantizers(metadata: Mapping[str, Any], entries: list[Entry]) -> Iterator[Entry]:
    """Learned numbers of the activation quantizers: (low, high) or a step, a half of a split weight."""
    halves = dict.fromkeys(
        ("encoder", "pooler"), metadata_size(metadata, "bert.weight_halves") if "bert.weight_halves" in metadata else 1
    )
    if "bert.pooler_halves" in metadata:
        halves["pooler"] = metadata_size(metadata, "bert.pooler_halves")
    kind = metadata.get("bert.input_quantizer", "dynamic")
    for entry in entries:
        if entry.kind == "product" and entry.family in ("encoder", "pooler") and kind != "dynamic":
            name, count = ("input_clip", 2) if kind == "clipped" else ("input_step", 1)
            yield Entry(f"{entry.name}.{name}", "vector", (count * halves[entry.family],))
    kind = metadata.get("bert.attention_quantizer", "none")
    if kind in ("clipped", "stepped"):
        name, count = ("operand_clip", 8) if kind == "clipped" else ("operand_step", 4)
        for layer in range(metadata["bert.num_layers"]):
            yield Entry(f"layer.{layer}.attention.{name}", "vector", (count,))


def required_features(metadata: Mapping[str, Any]) -> list[str]:
    """Return the names in FEATURES that a model with this metadata needs."""
    needs = {
        "relative_positions": metadata.get("bert.position", "absolute") != "absolute",
        "learned_clips": metadata.get("bert.input_quantizer") == "clipped",
        "learned_steps": metadata.get("bert.input_quantizer") == "stepped",
        "asymmetric_activations": bool(metadata.get("bert.asymmetric_inputs")),
        "4_bit_activations": metadata.get("bert.activation_bits", 8) != 8,
        "ghost_features": bool(metadata.get("bert.ghost_features")),
        "attention_operands": metadata.get("bert.attention_quantizer", "none") != "none",
    }
    return [feature for feature in FEATURES if needs[feature]]


def require_runtime(metadata: Mapping[str, Any], weights: Mapping[str, str], source: str) -> None:
    """Refuse what the runtime's kernels cannot compute: int8 weights times the 256th code of 8 bits.

    weights: family to how it is stored. Raises UnsupportedError, which names `source`.
    """
    packed = [family for family in ("encoder", "pooler") if weights.get(family) == "int8"]
    asymmetric = {"products", "ffn.down"} & set(metadata.get("bert.asymmetric_inputs", ()))
    stepped = metadata.get("bert.input_quantizer") == "stepped"
    if metadata.get("bert.pooler_activation") == "none" and "pooler" in packed:
        packed.remove("pooler")
    if packed and metadata.get("bert.activation_bits", 8) == 8 and (asymmetric or stepped):
        raise UnsupportedError(
            f"{source}: int8 {' and '.join(packed)} weights take 8-bit symmetric inputs without a learned step; wanted ternary, "
            "binary or f32 weights"
        )


def relative_table(max_relative_position: int, head_size: int) -> Array:
    """Return NEZHA's T, (2 max_relative_position + 1, head_size) float32; row clip(j - i, +-max) + max is for query i, key j.

    T[p, 2k] = sin(p / 10000^(2k / head_size)), T[p, 2k + 1] = cos of the same (Wei et al. 2019, section 2.1, equation 3).
    """
    positions = np.arange(2 * max_relative_position + 1, dtype=np.float64)[:, None]
    angles = positions / 10000 ** (np.arange(0, head_size, 2, dtype=np.float64) / head_size)
    table = np.empty((len(positions), head_size), np.float32)
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)[:, : head_size // 2]
    return table


def _ghost(branch: str, features: int, width: int) -> list[Entry]:
    """Kernels of GhostBERT's features after a branch, as logits over three tokens (export/models/ghost.py)."""
    return [Entry(f"{branch}.ghost.weight", "vector", (features, width, 3))] if features else []


def _norm(name: str, width: int) -> list[Entry]:
    return [Entry(f"{name}.weight", "vector", (width,)), Entry(f"{name}.bias", "vector", (width,))]


def vocabulary_bytes(pieces: list[str]) -> Array:
    """Return the pieces joined by newlines as a uint8 array; DataError when one holds a newline or is there twice."""
    seen: dict[str, int] = {}
    for number, piece in enumerate(pieces):
        if "\n" in piece or not piece:
            raise DataError(f"vocabulary: piece {number} is {piece!r}, wanted text without a newline")
        if seen.setdefault(piece, number) != number:
            raise DataError(f"vocabulary: piece {piece!r} stands at {seen[piece]} and at {number}")
    return np.frombuffer("\n".join(pieces).encode("utf-8"), dtype=np.uint8)
