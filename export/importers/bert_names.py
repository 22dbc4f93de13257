"""Hugging Face's names of BERT tensors -> the names of docs/artifact_format.md."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sottovoce.errors import DataError
from sottovoce.export.spec import Array

# What a product holds; the learned quantizers of its input are there in our own checkpoints.
_PRODUCT = r"(weight|bias|weight_2|input_clip|input_step)"
_RENAMES = [
    (r"embeddings\.(word|position|token_type)_embeddings\.weight(|_2)", r"embeddings.\1\2"),
    (r"embeddings\.LayerNorm\.(weight|bias)", r"embeddings.norm.\1"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\." + _PRODUCT, r"layer.\1.attention.\2.\3"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(operand_clip|operand_step)", r"layer.\1.attention.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.ghost\.weight", r"layer.\1.attention.ghost.weight"),
    (r"encoder\.layer\.(\d+)\.output\.ghost\.weight", r"layer.\1.ffn.ghost.weight"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\." + _PRODUCT, r"layer.\1.attention.output.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.(weight|bias)", r"layer.\1.attention.norm.\2"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\." + _PRODUCT, r"layer.\1.ffn.up.\2"),
    (r"encoder\.layer\.(\d+)\.output\.dense\." + _PRODUCT, r"layer.\1.ffn.down.\2"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(weight|bias)", r"layer.\1.ffn.norm.\2"),
    (r"pooler\.dense\." + _PRODUCT, r"pooler.\1"),
    (r"(intent|slot)_classifier\.(?:linear\.)?(weight|bias)", r"\1.\2"),
    (r"classifier\.(weight|bias)", r"classifier.\1"),
]
# Parts of training that inference has no use for: pretraining heads, projections to the teacher's width, tables made anew.
_DROPPED = re.compile(
    r"(cls\.|fit_denses?\.|dense_fit\.|loss)|.*\.position_ids$|.*\brelative_positions_(encoding|embeddings)\b"
)


def plain_name(name: str) -> str:
    """Return a stored name as BERT's own code writes it today, without prefix.

    `module.` (several GPUs), `bert.` or `electra.` go; AutoTinyBERT's super-model says `layers` and
    `word_embeddings.embedding`; old checkpoints say `gamma` and `beta`.
    """
    plain = re.sub(r"^(module\.)?((bert|electra)\.)?", "", name)
    plain = re.sub(r"^encoder\.layers\.", "encoder.layer.", plain)
    plain = re.sub(r"^(embeddings\.\w+_embeddings)\.embedding\.", r"\1.", plain)
    plain = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", plain)
    return re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", plain)


def plain_tensors(source: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors by plain name, without the parts of training that inference has no use for.

    Raises:
        DataError: two tensors have the same plain name.
    """
    plain: dict[str, Array] = {}
    for name, tensor in tensors.items():
        short = plain_name(name)
        if _DROPPED.match(short):
            continue
        if short in plain:
            raise DataError(f"{source}: two tensors are {short}; one of them is {name}")
        plain[short] = tensor
    return plain


def contract_name(plain: str) -> str | None:
    """Return the contract's name of a plain name; None when it is not one of BERT's."""
    for pattern, target in _RENAMES:
        match = re.fullmatch(pattern, plain)
        if match:
            return match.expand(target)
    return None


def contract_stem(module: str) -> str | None:
    """Return the contract's name of a module with a weight: `pooler.dense` -> `pooler`; None when BERT has no such."""
    name = contract_name(f"{module}.weight")
    return name.removesuffix(".weight") if name else None


def rename_bert(source: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors by contract name, without what inference has no use for.

    Raises:
        DataError: a name is not one of BERT's, or two tensors have the same; all unknown names are given.
    """
    renamed: dict[str, Array] = {}
    unknown = []
    for stored, tensor in tensors.items():
        plain = plain_name(stored)
        name = contract_name(plain)
        if _DROPPED.match(plain):
            continue
        if name is None:
            unknown.append(stored)
        elif name in renamed:
            raise DataError(f"{source}: two tensors are {name}; one of them is {stored}")
        else:
            renamed[name] = tensor
    if unknown:
        listed = ", ".join(sorted(unknown)[:8]) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
        raise DataError(f"{source}: unexpected tensors, not those of a BERT: {listed}")
    return renamed
