"""The quantizers' tensors in checkpoints of TernaryBERT and BinaryBERT, told from the model's own.

    X.weight_clip_val, X.act_clip_val                           TernaryBERT: constant (low, high)
    X.input_clip_val                                            BinaryBERT: learned (low, high), or a step of no dimension
    encoder.layer.N.attention.self.clip_{query,key,value,attn}  both: the same for the operands of attention

After ternary weight splitting a module X is stored twice, as X_1 and X_2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sottovoce.errors import DataError
from sottovoce.export.importers.bert_names import contract_stem, plain_tensors
from sottovoce.export.spec import Array

OPERANDS = ("query", "key", "value", "attn")
_DOUBLED = re.compile(r"\b(word_embeddings|query|key|value|dense)_([12])\.")
_CLIP = re.compile(r"(.+)\.(weight_clip_val|act_clip_val|input_clip_val|embed_clip_val)")
_OPERAND = re.compile(r"encoder\.layer\.(\d+)\.attention\.self\.clip_(query|key|value|attn)")


@dataclass
class Separated:
    """Tensors of a quantized checkpoint; stems are the contract's (`layer.0.ffn.up`)."""

    model: dict[str, Array] = field(default_factory=dict)  # plain names; the second half's parameters end in `_2`
    weight_clips: dict[str, Array] = field(default_factory=dict)  # by stem
    inputs: dict[str, dict[int, Array]] = field(default_factory=dict)  # by stem and half, 0 or 1
    operands: dict[int, dict[str, Array]] = field(default_factory=dict)  # by layer and OPERANDS


def is_doubled(plain: str) -> bool:
    """True for the plain name of one half of a split module."""
    return bool(_DOUBLED.search(plain))


def separate(source: str, tensors: Mapping[str, Array]) -> Separated:
    """Sort the tensors, stored under any names.

    Raises:
        DataError: a clip belongs to a module that BERT does not have.
    """
    result = Separated()
    for plain, tensor in plain_tensors(source, tensors).items():
        doubled = _DOUBLED.search(plain)
        half = int(doubled[2]) - 1 if doubled else 0
        name = _DOUBLED.sub(r"\1.", plain)
        operand, clip = _OPERAND.fullmatch(name), _CLIP.fullmatch(name)
        if operand:
            result.operands.setdefault(int(operand[1]), {})[operand[2]] = tensor
        elif clip:
            stem = contract_stem(clip[1])
            if stem is None:
                raise DataError(f"{source}: unexpected tensor {plain}: BERT has no quantized module of that name")
            if clip[2] in ("weight_clip_val", "embed_clip_val"):
                result.weight_clips[stem] = tensor
            else:
                result.inputs.setdefault(stem, {})[half] = tensor
        else:
            result.model[f"{name}_2" if half else name] = tensor
    return result
