"""The contract of `bert-intent-slot`: a BERT encoder with an intent head and a slot head (csrc/models/bert_encoder.cc)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sottovoce.errors import DataError
from sottovoce.export.spec import Array, Entry, metadata_size, register_contract

ARCHITECTURE = "bert-intent-slot"

# Family -> weights, by the name that `convert --weights` takes. Token types (2 rows) always stay float.
WEIGHTS_BY_NAME: dict[str, dict[str, str]] = {
    "ternary": {"word": "ternary", "position": "int8", "encoder": "ternary", "pooler": "int8", "heads": "int8"},
    "int8": {"word": "int8", "position": "int8", "encoder": "int8", "pooler": "int8", "heads": "int8"},
    "f32": {"word": "f32", "position": "f32", "encoder": "f32", "pooler": "f32", "heads": "f32"},
}


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
    entries = [
        Entry("tokenizer.vocab", "bytes", ()),
        Entry("embeddings.word", "embedding", (size("vocab_size"), hidden), "word"),
        Entry("embeddings.position", "embedding", (size("max_positions"), hidden), "position"),
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
            *_norm(f"{prefix}.attention.norm", hidden),
            Entry(f"{prefix}.ffn.up", "product", (ffn, hidden)),
            Entry(f"{prefix}.ffn.down", "product", (hidden, ffn)),
            *_norm(f"{prefix}.ffn.norm", hidden),
        ]
    if metadata.get("bert.pooler_activation") != "none":
        entries.append(Entry("pooler", "product", (hidden, hidden), "pooler"))
    for head in ("intent", "slot"):
        if metadata.get(f"{head}.labels"):
            entries.append(Entry(head, "product", (len(metadata[f"{head}.labels"]), hidden), "heads"))
    return entries


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
