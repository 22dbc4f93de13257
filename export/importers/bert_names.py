"""Hugging Face's names of BERT tensors -> the names of docs/artifact_format.md."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sottovoce.errors import DataError
from sottovoce.export.spec import Array

_RENAMES = [
    (r"embeddings\.(word|position|token_type)_embeddings\.weight(|_2)", r"embeddings.\1\2"),
    (r"embeddings\.LayerNorm\.(weight|bias)", r"embeddings.norm.\1"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\.(weight|bias|weight_2)", r"layer.\1.attention.\2.\3"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(weight|bias|weight_2)", r"layer.\1.attention.output.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.(weight|bias)", r"layer.\1.attention.norm.\2"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.(weight|bias|weight_2)", r"layer.\1.ffn.up.\2"),
    (r"encoder\.layer\.(\d+)\.output\.dense\.(weight|bias|weight_2)", r"layer.\1.ffn.down.\2"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(weight|bias)", r"layer.\1.ffn.norm.\2"),
    (r"pooler\.dense\.(weight|bias)", r"pooler.\1"),
    (r"(intent|slot)_classifier\.(?:linear\.)?(weight|bias)", r"\1.\2"),
    (r"classifier\.(weight|bias)", r"classifier.\1"),
]
# Parts of training that inference has no use for: pretraining heads, TinyBERT's projection to the teacher's width.
_DROPPED = re.compile(r"(cls\.|fit_dense\.|dense_fit\.|loss)|.*\.position_ids$")


def rename_bert(source: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors by contract name; `gamma` and `beta` are legacy for weight and bias, `bert.` is optional.

    Raises:
        DataError: a name is not one of BERT's, or two tensors have the same; all unknown names are given.
    """
    renamed: dict[str, Array] = {}
    unknown = []
    for name, tensor in tensors.items():
        plain = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name.removeprefix("module.").removeprefix("bert."))
        plain = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", plain)
        if _DROPPED.match(plain):
            continue
        for pattern, target in _RENAMES:
            match = re.fullmatch(pattern, plain)
            if match:
                contract_name = match.expand(target)
                if contract_name in renamed:
                    raise DataError(f"{source}: two tensors are {contract_name}; one of them is {name}")
                renamed[contract_name] = tensor
                break
        else:
            unknown.append(name)
    if unknown:
        raise DataError(f"{source}: unexpected tensors, not those of a BERT: {', '.join(sorted(unknown)[:8])}")
    return renamed
