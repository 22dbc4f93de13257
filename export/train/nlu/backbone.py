"""The encoder that a teacher starts from: any Hugging Face BERT directory (BERT, MiniLM, TinyBERT), read by the importers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from sottovoce.errors import UnsupportedError
from sottovoce.export import importers
from sottovoce.export.import_options import ImportOptions
from sottovoce.export.models.bert import BertConfig, JointBert

_SIZES = (
    "num_layers hidden_size num_heads head_size ffn_size vocab_size max_positions type_vocab_size layer_norm_epsilon "
    "hidden_activation"
).split()


def load_backbone(
    directory: Path,
    num_intents: int,
    num_slots: int,
    dropout: float = 0.0,
    *,
    position: Literal["absolute", "relative"] = "absolute",
) -> JointBert:
    """A joint model with this encoder and new heads; heads and pooler of the directory are left out.

    Raises:
        UnsupportedError: its positions are of another kind; otherwise as `importers.load`.
    """
    spec = importers.load(directory, ImportOptions(encoder_only=True)).spec
    found = spec.metadata.get("bert.position", "absolute")
    if found != position:
        raise UnsupportedError(f"{directory}: wanted a BERT with {position} positions, found {found}")
    sizes = {name: spec.metadata[f"bert.{name}"] for name in _SIZES}
    if position == "relative":
        sizes["max_relative_position"] = spec.metadata["bert.max_relative_position"]
    model = JointBert(BertConfig(**sizes, position=position, num_intents=num_intents, num_slots=num_slots), dropout)
    names = [name for name in model.state_dict() if not name.startswith(("intent.", "slot."))]
    # An embedding is called `embeddings.word` in a Spec, its parameter `embeddings.word.weight`.
    keys = {name: name if name in spec.arrays else name.removesuffix(".weight") for name in names}
    weights = {name: torch.from_numpy(spec.arrays[key].copy()) for name, key in keys.items()}
    model.load_state_dict(weights, strict=False)
    return model
