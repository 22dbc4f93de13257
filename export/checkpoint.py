"""Reading the tensor files and JSON files of a checkpoint directory, with errors that name the file."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from sottovoce.errors import DataError, ModelNotFoundError
from sottovoce.export.spec import Array

TENSOR_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ModelNotFoundError or DataError (with the line) when there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelNotFoundError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{path}{line}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: wanted a JSON object, found {type(value).__name__}")
    return value


def tensor_files(directory: Path) -> list[Path]:
    """Return the files that hold a checkpoint's tensors: one, or the shards of an index. ModelNotFoundError if none."""
    for name in TENSOR_FILES:
        path = directory / name
        if path.exists() and name.endswith(".index.json"):
            shards = read_json(path).get("weight_map")
            if not isinstance(shards, dict) or not shards:
                raise DataError(f"{path}: wanted a `weight_map`")
            return [directory / shard for shard in sorted(set(shards.values()))]
        if path.exists():
            return [path]
    raise ModelNotFoundError(f"{directory}: no tensors; wanted {' or '.join(TENSOR_FILES)}")


def read_tensor_files(paths: Sequence[Path]) -> tuple[dict[str, Array], str]:
    """Return the files' floating-point tensors as float32 by name, and the SHA-256 of the files.

    A pickle is read with `weights_only=True`: code in it is never run. Integer buffers (position ids) are left out.

    Raises:
        ModelNotFoundError: no file; DataError: a file is corrupt, or a pickle holds more than tensors.
    """
    digest = hashlib.sha256()
    tensors: dict[str, Array] = {}
    for path in paths:
        if not path.exists():
            raise ModelNotFoundError(
                f"{path}: no such file" + (", though the index names it" if len(paths) > 1 else "")
            )
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        for name, tensor in _load(path).items():
            if not isinstance(tensor, torch.Tensor):
                raise DataError(f"{path}: {name} is {type(tensor).__name__}, wanted a tensor")
            if tensor.is_floating_point():
                tensors[name] = tensor.detach().float().contiguous().numpy()
    return tensors, digest.hexdigest()


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, weights_only=True, map_location="cpu")
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        code = re.search(r"GLOBAL ([\w.]+) (?:was not|whose module)", str(error))
        if code:
            raise DataError(
                f"{path}: cannot be read: it is a pickle that names `{code[1]}`, and code in a checkpoint is never run; "
                "wanted a dictionary of tensors, as torch.save(model.state_dict()) writes it"
            ) from None
        reason = str(error).strip().split("\n")[0][:200]
        raise DataError(f"{path}: cannot be read as a file of tensors: {reason}") from None
    if not isinstance(loaded, dict):
        raise DataError(f"{path}: wanted a dictionary of tensors, found {type(loaded).__name__}")
    nested = loaded.get("state_dict", loaded)
    return nested if isinstance(nested, dict) else loaded
