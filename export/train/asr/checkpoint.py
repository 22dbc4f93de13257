"""Training state on disk: written beside the old one, then renamed, so that a kill never leaves half a file."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sottovoce.errors import DataError, ModelNotFoundError
from sottovoce.export.models.transducer import Transducer, TransducerConfig
from sottovoce.export.train.asr.pieces import Pieces

FORMAT = "sottovoce-transducer-1"


def read_content(path: Path, wanted: str) -> dict[str, Any]:
    """Read what `torch.save` wrote, if its entry `format` is `wanted`. Raises ModelNotFoundError, DataError."""
    if not path.is_file():
        raise ModelNotFoundError(f"checkpoint {path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"checkpoint {path}: cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("format") != wanted:
        raise DataError(f"checkpoint {path}: wanted format {wanted}, found something else")
    return content


@dataclass
class Checkpoint:
    """A transducer with what training needs to go on; `training` is empty in one that only carries weights."""

    config: TransducerConfig
    weights: dict[str, Tensor]  # the averaged ones: what is evaluated and exported
    piece_model: bytes
    piece_kind: str
    feature_preset: str
    settings: dict[str, Any]
    training: dict[str, Any]

    def model(self) -> Transducer:
        """Return the network in eval mode."""
        model = Transducer(self.config)
        model.load_state_dict(self.weights)
        return model.eval()

    def pieces(self) -> Pieces:
        """Return the vocabulary."""
        return Pieces(self.piece_model)

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        content = {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "weights": self.weights,
            "piece_model": torch.frombuffer(bytearray(self.piece_model), dtype=torch.uint8),
            "piece_kind": self.piece_kind,
            "feature_preset": self.feature_preset,
            "settings": self.settings,
            "training": self.training,
        }
        torch.save(content, temporary)
        os.replace(temporary, path)

    @staticmethod
    def load(path: Path) -> Checkpoint:
        """Read a checkpoint (`weights_only`: tensors and plain types). Raises ModelNotFoundError, DataError."""
        content = read_content(path, FORMAT)
        return Checkpoint(
            TransducerConfig.from_dict(content["config"]),
            content["weights"],
            content["piece_model"].numpy().tobytes(),
            content["piece_kind"],
            content["feature_preset"],
            content["settings"],
            content["training"],
        )
