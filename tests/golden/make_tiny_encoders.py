"""Makes tests/golden/{bert_tiny,mpnet_tiny} with Hugging Face transformers 5.23 (not a dependency of the project).

Each folder is a Hugging Face directory of random weights, and golden.npz with ids, keep and the hidden states that
transformers computed. Run: python tests/golden/make_tiny_encoders.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForTokenClassification, MPNetConfig, MPNetModel

HERE = Path(__file__).parent
SHAPE = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}


def randomize(model: torch.nn.Module) -> None:
    """Weights large enough that every term of the forward pass shows."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)


def save(name: str, model: torch.nn.Module, encoder: torch.nn.Module, special: list[str], tokens: int) -> None:
    """Write the directory and its golden hidden states: two rows, the second padded."""
    directory = HERE / name
    randomize(model)
    model.eval().save_pretrained(directory)
    size = model.config.vocab_size
    pieces = special + [f"piece{number}" for number in range(size - len(special))]
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces))
    names = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token", "mask_token"), special, strict=True))
    (directory / "tokenizer_config.json").write_text(json.dumps({**names, "do_lower_case": True}))
    ids = torch.randint(len(special), size, (2, tokens), generator=torch.Generator().manual_seed(1))
    keep = torch.ones_like(ids)
    keep[1, tokens * 2 // 3 :] = 0
    ids[keep == 0] = special.index(names["pad_token"])
    with torch.no_grad():
        hidden = encoder(ids, attention_mask=keep, output_hidden_states=True).hidden_states
    states = torch.stack(hidden).numpy()
    np.savez_compressed(directory / "golden.npz", ids=ids.numpy(), keep=keep.numpy(), hidden=states)


bert = BertForTokenClassification(
    BertConfig(vocab_size=30, max_position_embeddings=20, id2label={0: "O", 1: "B-x", 2: "I-x"}, **SHAPE)
)
save("bert_tiny", bert, bert.bert, ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"], 12)
# 160 tokens reach the last relative-position bucket, which begins at 91 of at most 128.
mpnet = MPNetModel(MPNetConfig(vocab_size=30, max_position_embeddings=164, **SHAPE))
save("mpnet_tiny", mpnet, mpnet, ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], 160)
