"""Checkpoints of a few thousand random weights in the formats of huawei-noah/Pretrained-Language-Model.

Each function writes a directory and returns the stored tensors. Labels are not stored, as in the originals.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
WORDS = "play some jazz rock dim the lamp lights now please loud quiet tomorrow morning in paris and berlin".split()
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "."]
PRODUCTS = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")


@dataclass(frozen=True)
class Shape:
    """Sizes of a network; qkv is not hidden where the paper lets them differ."""

    layers: int = 2
    hidden: int = 24
    heads: int = 3
    qkv: int = 24
    ffn: int = 40
    positions: int = 32
    labels: int = 3


def bert_tensors(shape: Shape, seed: int = 0) -> Tensors:
    """The keys of `BertForSequenceClassification`, weights large enough for decisions to differ between utterances."""
    torch.manual_seed(seed)
    tensors: Tensors = {}

    def linear(name: str, outputs: int, inputs: int, std: float = 0.3) -> None:
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs) * std
        tensors[f"{name}.bias"] = torch.randn(outputs) * 0.1

    def norm(name: str) -> None:
        tensors[f"{name}.LayerNorm.weight"] = 1 + torch.randn(shape.hidden) * 0.1
        tensors[f"{name}.LayerNorm.bias"] = torch.randn(shape.hidden) * 0.1

    for name, rows in (("word", len(PIECES)), ("position", shape.positions), ("token_type", 2)):
        spread = 1.0 if name == "word" else 0.2
        tensors[f"bert.embeddings.{name}_embeddings.weight"] = torch.randn(rows, shape.hidden) * spread
    norm("bert.embeddings")
    for layer in range(shape.layers):
        prefix = f"bert.encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            linear(f"{prefix}.attention.self.{name}", shape.qkv, shape.hidden)
        linear(f"{prefix}.attention.output.dense", shape.hidden, shape.qkv)
        norm(f"{prefix}.attention.output")
        linear(f"{prefix}.intermediate.dense", shape.ffn, shape.hidden)
        linear(f"{prefix}.output.dense", shape.hidden, shape.ffn)
        norm(f"{prefix}.output")
    linear("bert.pooler.dense", shape.hidden, shape.hidden)
    linear("classifier", shape.labels, shape.hidden, std=1.0)
    return tensors


def bert_config(shape: Shape, **more: Any) -> dict[str, Any]:
    """The keys that the original BERT wrote, and `more`."""
    return {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.ffn,
        "max_position_embeddings": shape.positions,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "type_vocab_size": 2,
        "vocab_size": len(PIECES),
        **more,
    }


def save(
    directory: Path,
    tensors: Tensors,
    config: dict[str, Any] | None,
    *,
    config_name: str = "config.json",
    vocab: bool = True,
) -> Tensors:
    """Write pytorch_model.bin and, as asked for, the configuration and vocab.txt."""
    directory.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, directory / "pytorch_model.bin")
    if config is not None:
        (directory / config_name).write_text(json.dumps(config, indent=2, sort_keys=True))
    if vocab:
        (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in PIECES))
    return tensors


def tiny_bert(directory: Path, shape: Shape | None = None, *, task: bool = True) -> Tensors:
    """A task checkpoint, or a general one: pretraining heads and `gamma`, `beta` as old code has them, no classifier."""
    shape = shape or Shape()
    tensors = bert_tensors(shape)
    tensors["fit_dense.weight"] = torch.randn(768, shape.hidden)
    tensors["fit_dense.bias"] = torch.randn(768)
    if not task:
        del tensors["classifier.weight"], tensors["classifier.bias"]
        hidden = shape.hidden
        tensors |= {
            "cls.predictions.bias": torch.zeros(len(PIECES)),
            "cls.predictions.transform.dense.weight": torch.randn(hidden, hidden),
            "cls.predictions.transform.dense.bias": torch.zeros(hidden),
            "cls.predictions.transform.LayerNorm.weight": torch.ones(hidden),
            "cls.predictions.transform.LayerNorm.bias": torch.zeros(hidden),
            "cls.predictions.decoder.weight": tensors["bert.embeddings.word_embeddings.weight"],
            "cls.seq_relationship.weight": torch.randn(2, hidden),
            "cls.seq_relationship.bias": torch.zeros(2),
        }
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for name in list(tensors):
            for now, then in old.items():
                if name.endswith(now):
                    tensors[name.replace(now, then)] = tensors.pop(name)
    return save(directory, tensors, bert_config(shape, pre_trained="", training=""))


def ternary_bert(directory: Path, *, quant: bool = False, bits: int = 2) -> Tensors:
    """The full-precision shadow weights with their clips; `quant`: the copy that its code quantizes by one scale."""
    shape = Shape()
    tensors = bert_tensors(shape)
    clip = torch.tensor([-2.5, 2.5])
    quantized = [
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if tensor.dim() == 2 and name.startswith(("bert.encoder", "bert.pooler"))
    ]
    for name in quantized:
        tensors |= {f"{name}.weight_clip_val": clip.clone(), f"{name}.act_clip_val": clip.clone()}
    word = "bert.embeddings.word_embeddings"
    tensors[f"{word}.weight_clip_val"] = clip.clone()
    for layer in range(shape.layers):
        for name in ("query", "key", "value", "attn"):
            tensors[f"bert.encoder.layer.{layer}.attention.self.clip_{name}"] = clip.clone()
    if quant:
        for name in (*quantized, word):
            weight = tensors[f"{name}.weight"]
            kept = weight.abs() > 0.7 * weight.abs().mean()
            tensors[f"{name}.weight"] = weight.sign() * kept * weight[kept].abs().mean()
    more = {"quantize_act": True, "weight_bits": bits, "input_bits": 8, "clip_val": 2.5, "layer_norm_eps": 1e-12}
    return save(directory, tensors, bert_config(shape, **more))


def binary_bert(
    directory: Path, *, split: bool = True, method: str = "uniform", bits: int = 8, learned: bool = True
) -> Tensors:
    """The half-width ternary stage, or after the split. `learned`: clips that moved apart, an asymmetric feed-forward.

    No vocab.txt: its code does not save one with the student.
    """
    shape = Shape(heads=2, qkv=16, ffn=20)
    tensors = bert_tensors(shape)
    modules = [name.removesuffix(".weight") for name, tensor in tensors.items() if tensor.dim() == 2]
    modules = [name for name in modules if name.startswith(("bert.encoder", "bert.pooler"))]
    word = "bert.embeddings.word_embeddings"

    def quantizer(seed: int) -> Tensor:
        if method == "lsq":
            return torch.tensor(0.2 + 0.01 * seed)
        moved = 0.05 * seed if learned else 0.0
        return torch.tensor([-2.5 + moved, 2.5 - moved / 2])

    for number, name in enumerate(modules):
        tensors[f"{name}.input_clip_val"] = quantizer(number)
    for layer in range(shape.layers):
        for number, name in enumerate(("query", "key", "value", "attn")):
            tensors[f"bert.encoder.layer.{layer}.attention.self.clip_{name}"] = quantizer(number + layer)
    if split:
        for name in modules:
            weight, bias, clip = (tensors.pop(f"{name}.{part}") for part in ("weight", "bias", "input_clip_val"))
            for half in (1, 2):
                share = 0.8 if half == 1 else 0.2
                # Fine-tuned after the split, the halves are no longer shares of one weight, nor their biases equal.
                tensors[f"{name}_{half}.weight"] = share * weight + 0.2 * torch.randn_like(weight)
                tensors[f"{name}_{half}.bias"] = share * bias
                moved = 0.01 * half if learned and method == "uniform" else 0.0
                tensors[f"{name}_{half}.input_clip_val"] = (
                    clip + torch.tensor([-moved, moved]) if moved else clip.clone()
                )
        rows = tensors.pop(f"{word}.weight")
        tensors[f"{word}_1.weight"] = 0.7 * rows
        tensors[f"{word}_2.weight"] = 0.3 * rows + 0.3 * torch.randn_like(rows)
    more = {
        "dyna_hidden_size": shape.qkv,
        "weight_bits": 1 if split else 2,
        "input_bits": bits,
        "weight_quant_method": "bwn" if split else "twn",
        "input_quant_method": method,
        "clip_init_val": 2.5,
        "learnable_scaling": True,
        "sym_quant_qkvo": True,
        "sym_quant_ffn_attn": not learned,
        "embed_layerwise": False,
        "weight_layerwise": True,
        "input_layerwise": True,
        "hidden_act": "relu" if method == "lsq" else "gelu",
        "num_labels": shape.labels,
    }
    return save(directory, tensors, bert_config(shape, **more), vocab=False)


def dyna_bert(directory: Path) -> Tensors:
    """The full size with the configuration keys of transformers 2.1.1."""
    shape = Shape(layers=4, heads=4, hidden=24, qkv=24, ffn=40)
    more = {
        "finetuning_task": "mnli",
        "layer_norm_eps": 1e-12,
        "num_labels": shape.labels,
        "output_attentions": True,
        "output_hidden_states": True,
        "output_intermediate": True,
        "pruned_heads": {},
        "torchscript": False,
    }
    return save(directory, bert_tensors(shape), bert_config(shape, **more))


AUTO_SHAPE = Shape(layers=2, heads=3, hidden=20, qkv=69, ffn=34)  # head size 23, as KD-S3


def auto_tiny_bert(directory: Path, variant: str = "task") -> Tensors:
    """`task`: fine-tuned, canonical keys. `super`: the super-model's keys. `electra`: that prefix. `extracted`: no prefix, and
    neither config.json nor vocab.txt."""
    shape = AUTO_SHAPE
    tensors = bert_tensors(shape)
    if variant == "task":
        return save(directory, tensors, bert_config(shape, qkv_size=shape.qkv))
    for part in ("weight", "bias"):
        del tensors[f"classifier.{part}"]
    if variant == "electra":
        renamed = {name.replace("bert.", "electra."): tensor for name, tensor in tensors.items()}
        return save(directory, renamed, bert_config(shape, qkv_size=shape.qkv))
    tensors |= {"bert.dense_fit.weight": torch.randn(768, shape.hidden), "bert.dense_fit.bias": torch.zeros(768)}
    renamed = {
        name.replace("encoder.layer.", "encoder.layers.").replace(
            "_embeddings.weight", "_embeddings.embedding.weight"
        ): tensor
        for name, tensor in tensors.items()
    }
    if variant == "super":
        return save(directory, renamed, bert_config(shape, qkv_size=shape.qkv))
    return save(directory, {name.removeprefix("bert."): tensor for name, tensor in renamed.items()}, None, vocab=False)


def nezha(directory: Path) -> Tensors:
    """bert_config.json, and no position embeddings."""
    shape = Shape()
    tensors = bert_tensors(shape)
    del tensors["bert.embeddings.position_embeddings.weight"]
    more = {"max_relative_position": 5, "use_relative_position": True}
    return save(directory, tensors, bert_config(shape, **more), config_name="bert_config.json")


def joint(directory: Path) -> Tensors:
    """A TinyBERT with the names of `BertForJoint`: `intent_classifier` and `slot_classifier`."""
    shape = Shape()
    tensors = tiny_bert(directory, shape)
    for part in ("weight", "bias"):
        tensors[f"intent_classifier.{part}"] = tensors.pop(f"classifier.{part}")
    tensors["slot_classifier.weight"], tensors["slot_classifier.bias"] = torch.randn(3, shape.hidden), torch.zeros(3)
    return save(directory, tensors, bert_config(shape, pre_trained="", training=""))
