"""The encoder of a large recognizer teaches ours: its features, frame by frame, beside the losses of the labels.

Labels say little where data are few, and CTC and transducer losses wait long for an alignment to emerge; features of a model
that has heard far more speech say what every frame sounds like, from the first step on. A linear map of our encoder's frames
shall equal the teacher's features, each dimension with mean 0 and variance 1 (as FitNets do: Romero et al., ICLR 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sottovoce.errors import DataError, ModelNotFoundError
from sottovoce.export.train.asr.feature_cache import CachedCorpus
from sottovoce.export.train.asr.sampler import Item

FRAME_SECONDS = 0.08  # of the stored features


class EncoderTeacher(nn.Module):
    """Stored features of the teacher, and the linear map (encoder_dim -> teacher's width) that is compared with them."""

    mean: Tensor  # (width)
    inverse_std: Tensor  # (width)

    def __init__(self, folder: Path, corpora: Sequence[CachedCorpus], encoder_dim: int, frame_seconds: float) -> None:
        """Read `folder`/NAME.npz of every corpus, as `teacher-features` wrote them.

        Args:
            encoder_dim: width of our encoder; frame_seconds: of one of its frames.
        Raises:
            ModelNotFoundError: a corpus has no file. DataError: its features are of other utterances.
        """
        super().__init__()
        self._features: list[npt.NDArray[np.float16]] = []
        self._offsets: list[npt.NDArray[np.int64]] = []
        self._timings = [corpus.timings for corpus in corpora]
        self._copies = [corpus.copies for corpus in corpora]
        self._step = frame_seconds / FRAME_SECONDS
        for corpus in corpora:
            path = folder / f"{corpus.name}.npz"
            if not path.exists():
                raise ModelNotFoundError(
                    f"teacher: {path}: no such file; `sottovoce-export teacher-features` writes it"
                )
            with np.load(path) as stored:
                features, offsets = stored["features"], stored["offsets"]
            if len(offsets) != len(corpus) + 1:
                raise DataError(f"teacher: {path}: wanted {len(corpus)} utterances, found {len(offsets) - 1}")
            self._features.append(features)
            self._offsets.append(offsets)
        some = np.concatenate([f[:: max(1, len(f) // 20_000)].astype(np.float32) for f in self._features])
        self.register_buffer("mean", torch.from_numpy(some.mean(0)))
        self.register_buffer("inverse_std", torch.from_numpy(1 / np.maximum(some.std(0), 1e-3)))
        self.map = nn.Linear(encoder_dim, some.shape[1])

    def loss(self, encoded: Tensor, items: Sequence[Item], leads: Tensor) -> Tensor:
        """Return the mean squared error over the frames that the teacher heard.

        encoded: (batch, frames, encoder_dim); leads: (batch), frames of 10 ms before each item.
        """
        targets, heard = self.targets(items, encoded.shape[1], leads)
        errors = (self.map(encoded) - targets).square().mean(-1)
        mean: Tensor = (errors * heard).sum() / heard.sum().clamp(min=1)
        return mean

    def targets(self, items: Sequence[Item], frames: int, leads: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalised features (batch, frames, width), moved and stretched as the variants are, and where there are any
        (batch, frames): 1 or 0.
        """
        targets = torch.zeros(len(items), frames, len(self.mean))
        heard = torch.zeros(len(items), frames)
        for row, item in enumerate(items):
            first, end = self._offsets[item.corpus][item.utterance : item.utterance + 2]
            features = self._features[item.corpus][first:end]
            speed, silence = self._timings[item.corpus][item.utterance * self._copies[item.corpus] + item.copy]
            # Our frame looks half a frame further than it lies, so it is compared with the middle of what it heard.
            before = silence + 0.01 * float(leads[row])
            place = (np.arange(frames) * self._step - before / FRAME_SECONDS) * speed
            inside = (place >= 0) & (place <= len(features) - 1)
            low = np.clip(np.floor(place), 0, max(len(features) - 2, 0)).astype(np.int64)
            high = np.minimum(low + 1, len(features) - 1)
            part = np.clip(place - low, 0, 1)[:, None].astype(np.float32)
            between = features[low].astype(np.float32) * (1 - part) + features[high].astype(np.float32) * part
            targets[row] = (torch.from_numpy(between) - self.mean) * self.inverse_std
            heard[row] = torch.from_numpy(inside.astype(np.float32))
        return targets, heard
