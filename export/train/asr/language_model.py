"""`train lm`: a language model over a recognizer's pieces, from plain text. Seeded; killed, it goes on."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export.models.language_model import LanguageModel, LanguageModelConfig
from sottovoce.export.models.transducer import BLANK
from sottovoce.export.train.asr.checkpoint import read_content
from sottovoce.export.train.asr.pieces import Pieces
from sottovoce.export.train.asr.training_log import TrainingLog

FORMAT = "sottovoce-language-model-1"
MAX_PIECES = 160  # of a sentence; what is longer is cut
HELD_OUT = 2000  # sentences, or a tenth where there are few
UNKNOWN = 1
Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class LanguageModelSettings:
    """Schedule."""

    minutes: float = 0.0  # at most, 0: no limit; the rate then falls by whichever ends first
    epochs: float = 2.0
    batch_pieces: int = 6144
    learning_rate: float = 3e-3
    warmup_steps: int = 200
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    seed: int = 1
    checkpoint_minutes: float = 3.0


@dataclass
class LanguageModelCheckpoint:
    """A language model, the pieces it was made for and what training needs to go on."""

    config: LanguageModelConfig
    weights: dict[str, Tensor]  # averaged
    pieces: list[str]
    perplexity: float  # a piece, of the sentences held out; infinite before the end
    training: dict[str, Any]

    def model(self) -> LanguageModel:
        """Return the network in eval mode."""
        model = LanguageModel(self.config)
        model.load_state_dict(self.weights)
        return model.eval()

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        torch.save({"format": FORMAT} | vars(self) | {"config": self.config.to_dict()}, temporary)
        os.replace(temporary, path)

    @staticmethod
    def load(path: Path) -> LanguageModelCheckpoint:
        """Read a checkpoint. Raises ModelNotFoundError, DataError."""
        content = read_content(path, FORMAT)
        del content["format"]
        content["config"] = LanguageModelConfig.from_dict(content["config"])
        return LanguageModelCheckpoint(**content)


def encode_texts(texts: Iterable[str], pieces: Pieces) -> list[Ids]:
    """Return the ids of each text that the vocabulary can write, cut at MAX_PIECES.

    Raises InvalidInputError: fewer than 20 are left.
    """
    encoded = [np.asarray(pieces.encode(text)[:MAX_PIECES], np.int32) for text in texts if text]
    encoded = [ids for ids in encoded if len(ids) and UNKNOWN not in ids]
    if len(encoded) < 20:
        raise InvalidInputError(
            f"train lm: wanted at least 20 sentences in the recognizer's letters, found {len(encoded)}"
        )
    return encoded


def padded(sentences: Sequence[Ids]) -> Tensor:
    """Return (sentences, longest), blanks at the ends."""
    batch = np.full((len(sentences), max(map(len, sentences))), BLANK, np.int64)
    for row, ids in enumerate(sentences):
        batch[row, : len(ids)] = ids
    return torch.from_numpy(batch)


def next_piece_loss(model: LanguageModel, batch: Tensor) -> Tensor:
    """Return the mean cross-entropy a piece; batch: (sentences, longest), blanks at the ends."""
    logits = model(batch[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), batch.flatten(), ignore_index=BLANK)


def batches_of_epoch(lengths: npt.NDArray[np.int64], epoch: int, settings: LanguageModelSettings) -> list[Ids]:
    """Return the rows of each batch: sentences of like length, batches in random order."""
    rng = np.random.default_rng([settings.seed, epoch])
    order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)), kind="stable")
    batches, begin, longest = [], 0, 0
    for end, row in enumerate(order):
        longest = max(longest, int(lengths[row]))
        if end > begin and longest * (end - begin + 1) > settings.batch_pieces:
            batches.append(order[begin:end].astype(np.int32))
            begin, longest = end, int(lengths[row])
    batches.append(order[begin:].astype(np.int32))
    return [batches[i] for i in rng.permutation(len(batches))]


def train_language_model(
    texts: Iterable[str],
    pieces: Pieces,
    folder: Path,
    settings: LanguageModelSettings,
    config: LanguageModelConfig | None = None,
    report: Callable[[float, float], None] = lambda share, loss: None,
) -> LanguageModelCheckpoint:
    """Train, or go on, and return the checkpoint, which also stands in `folder`/checkpoint.pt.

    report: gets the share that is done and the loss a piece. Raises InvalidInputError: too little text; DataError: the
    checkpoint there is of another vocabulary.
    """
    encoded = encode_texts(texts, pieces)
    order = np.random.default_rng(settings.seed).permutation(len(encoded))
    count = min(HELD_OUT, len(encoded) // 10)
    held_out, train = [encoded[i] for i in order[:count]], [encoded[i] for i in order[count:]]
    lengths = np.array([len(ids) for ids in train], np.int64)
    torch.manual_seed(settings.seed)
    model = LanguageModel(dataclasses.replace(config or LanguageModelConfig(), vocab_size=len(pieces)))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "checkpoint.pt"
    average = [p.detach().clone() for p in model.parameters()]
    step, epoch, next_batch, spent = 0, 0, 0, 0.0
    if path.exists():
        saved = LanguageModelCheckpoint.load(path)
        if saved.pieces != pieces.pieces:
            raise DataError(f"checkpoint {path}: trained for another vocabulary")
        state = saved.training
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average = list(state["average"])
        step, epoch, next_batch, spent = (state[name] for name in ("step", "epoch", "next_batch", "spent"))

    def averaged() -> dict[str, Tensor]:
        names = [name for name, _ in model.named_parameters()]
        return {name: tensor.clone() for name, tensor in zip(names, average, strict=True)}

    def save(perplexity: float) -> LanguageModelCheckpoint:
        training = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average,
            "step": step,
            "epoch": epoch,
            "next_batch": next_batch,
            "spent": spent,
        }
        checkpoint = LanguageModelCheckpoint(model.config, averaged(), pieces.pieces, perplexity, training)
        checkpoint.save(path)
        return checkpoint

    saved_at = time.monotonic()
    batches = batches_of_epoch(lengths, epoch, settings)
    with closing(TrainingLog(folder, step)) as log:
        while True:
            by_text = (epoch + next_batch / len(batches)) / settings.epochs
            share = max(by_text, spent / (settings.minutes * 60) if settings.minutes else 0.0)
            if share >= 1.0:
                break
            began = time.monotonic()
            rate = settings.learning_rate * min(1.0, (step + 1) / settings.warmup_steps)
            rate *= 0.5 * (1 + math.cos(math.pi * share)) + 0.01
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = next_piece_loss(model, padded([train[row] for row in batches[next_batch]]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            decay = min(settings.ema_decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(average, [p.detach() for p in model.parameters()], 1 - decay)
            step, next_batch = step + 1, next_batch + 1
            if next_batch == len(batches):
                epoch, next_batch = epoch + 1, 0
                batches = batches_of_epoch(lengths, epoch, settings)
            spent += time.monotonic() - began
            log.write(
                {"step": step, "epoch": epoch, "loss": float(loss.detach()), "learning_rate": rate, "seconds": spent}
            )
            report(share, float(loss.detach()))
            if time.monotonic() - saved_at > settings.checkpoint_minutes * 60:
                log.flush()
                save(math.inf)
                saved_at = time.monotonic()
    judged = LanguageModel(model.config)
    judged.load_state_dict(averaged())
    return save(perplexity_of(judged.eval(), held_out))


@torch.no_grad()
def perplexity_of(model: LanguageModel, sentences: Sequence[Ids]) -> float:
    """Return the perplexity a piece."""
    total, count = 0.0, 0
    for begin in range(0, len(sentences), 32):
        batch = padded(sentences[begin : begin + 32])
        pieces = int((batch != BLANK).sum())
        total, count = total + float(next_piece_loss(model, batch)) * pieces, count + pieces
    return math.exp(total / count)
