"""`train asr`: from manifests to a trained transducer. Seeded; killed, it goes on with the same losses."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sottovoce.errors import InvalidInputError
from sottovoce.export.models.transducer import Conv, Transducer, TransducerConfig
from sottovoce.export.train.asr.batches import Batch, collate
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.config import RecipeConfig
from sottovoce.export.train.asr.decoding import transcribe_features
from sottovoce.export.train.asr.distillation import Teacher, require_same_shape
from sottovoce.export.train.asr.distributed import Ranks
from sottovoce.export.train.asr.encoder_teacher import EncoderTeacher
from sottovoce.export.train.asr.feature_cache import CachedCorpus
from sottovoce.export.train.asr.objective import Losses, Objective, Phase
from sottovoce.export.train.asr.pieces import Pieces, train_pieces
from sottovoce.export.train.asr.recognizer_base import PLAIN_NORMS
from sottovoce.export.train.asr.sampler import Item, epoch_batches
from sottovoce.export.train.asr.training_log import TrainingLog


@dataclass(frozen=True)
class Progress:
    """One step, for logs and bars."""

    step: int
    loss: float  # `Losses.transducer`
    ctc_loss: float  # a label
    features: float  # this and the next two from teachers, as in `Losses`
    hidden: float
    divergence: float
    audio_hours: float
    learning_rate: float
    seconds: float  # since this process began


Report = Callable[[Progress], None]
DevReport = Callable[[int, dict[str, float]], None]


class Trainer:
    """The state of one run. `run` trains to the end; `step` is one update."""

    def __init__(
        self,
        config: RecipeConfig,
        corpora: Sequence[CachedCorpus],
        folder: Path,
        init: Checkpoint | None = None,
        teacher: Path | None = None,
        distill_from: Checkpoint | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        """Start, or go on from `folder`/checkpoint.pt when it exists.

        `init` is what a new run adapts: its shape, vocabulary and weights are taken, its training state is not. Quantized
        weights start from one: batch norms are folded into them and their statistics stay. `teacher` is a folder of features,
        see `EncoderTeacher`; `distill_from`, a recognizer of the same shape, is imitated. With several `ranks` each takes its
        part of every batch, and the first one logs and writes.

        Raises:
            InvalidInputError: no data; quantized weights without `init`; a checkpoint trained for other weights; a
                `distill_from` of another shape. And what `EncoderTeacher` raises.
        """
        if not corpora:
            raise InvalidInputError("train asr: wanted at least one manifest")
        self.config, self.corpora, self.folder, self.ranks = config, corpora, folder, ranks or Ranks()
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        saved = Checkpoint.load(self.checkpoint_path) if self.checkpoint_path.exists() else None
        self._plain_norms = False
        if saved is not None or init is not None:
            given = saved or init
            assert given is not None
            piece_model, model_config = given.piece_model, given.config
            self._plain_norms = given.settings.get("norms") == PLAIN_NORMS
        elif config.weights != "f32":
            raise InvalidInputError(f"weights {config.weights}: wanted a trained checkpoint to start from")
        else:
            texts = [text for corpus in corpora for text in corpus.texts]
            piece_model = train_pieces(texts, config.model.vocab_size, config.piece_model)
            values = config.model.to_dict() | {"vocab_size": len(Pieces(piece_model))}
            model_config = TransducerConfig.from_dict(values)
        if saved is not None and saved.settings.get("weights", "f32") != config.weights:
            raise InvalidInputError(
                f"{self.checkpoint_path}: trained for weights {saved.settings.get('weights', 'f32')}, wanted {config.weights}"
            )
        if config.weights != "f32":  # few bits regularise enough
            model_config = dataclasses.replace(model_config, dropout=0.0)
        if distill_from is not None:
            require_same_shape(distill_from, model_config, piece_model)
        self.pieces = Pieces(piece_model)
        self.targets = [[self.pieces.encode(text) for text in corpus.texts] for corpus in corpora]
        self.model = Transducer(model_config)
        self.ranks.share_statistics(self.model)
        self.model.set_weights(config.weights)
        self.ctc = nn.Linear(model_config.blocks[-1].model_dim, model_config.vocab_size)
        self.teacher: EncoderTeacher | None = None
        if teacher is not None:
            width, seconds = model_config.blocks[-1].model_dim, model_config.stride * 0.01
            self.teacher = EncoderTeacher(teacher, corpora, width, seconds)
        letters = torch.tensor([max(1.0, len(piece.lstrip("\u2581"))) for piece in self.pieces.pieces])
        imitated = None if distill_from is None else Teacher(distill_from, bfloat16=config.bfloat16)
        self.objective = Objective(self.model, self.ctc, config, letters, self.teacher, imitated)
        self.step_number, self.epoch, self.next_batch, self.audio_seconds = 0, 0, 0, 0.0
        self.spent_seconds, self.epoch_began = 0.0, 0.0  # epoch_began: seconds of audio heard by then
        encoder = {id(p) for p in self.model.encoder.parameters()}
        groups: list[dict[str, Any]] = []
        for inside in (True, False):
            chosen = [p for p in self._parameters() if (id(p) in encoder) == inside]
            for matrices, decay in ((True, config.weight_decay), (False, 0.0)):
                params = [p for p in chosen if (p.dim() > 1) == matrices]
                groups.append({"params": params, "weight_decay": decay, "encoder": inside})
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        if saved is not None:
            self._restore(saved.training)
        elif init is not None:
            self.model.load_state_dict(init.weights)
            if "ctc" in init.training:
                self.ctc.load_state_dict(init.training["ctc"])
        else:
            mean, inverse_std = feature_statistics(corpora)
            self.model.mean.copy_(torch.from_numpy(mean))
            self.model.inverse_std.copy_(torch.from_numpy(inverse_std))
        self.average = [p.detach().clone() for p in self.model.parameters()]
        if saved is not None:
            self.average = [tensor.clone() for tensor in saved.training["average"]]
        self._batches: list[list[Item]] = []
        encoder_first = max(config.flat_start_hours, config.ctc_first_hours) > 0
        self._parallel = self.ranks.wrap(self.objective, unused=encoder_first)

    @property
    def checkpoint_path(self) -> Path:
        """Where the state is kept."""
        return self.folder / "checkpoint.pt"

    @property
    def finished(self) -> bool:
        """All audio has been seen, or the time is up."""
        return self.share_done() >= 1.0

    def share_done(self) -> float:
        """How far the run is, 0 to 1."""
        heard = self.audio_seconds / (self.config.audio_hours * 3600)
        spent = self.spent_seconds / (self.config.minutes * 60) if self.config.minutes else 0.0
        return min(1.0, max(heard, spent))

    def _parameters(self) -> list[nn.Parameter]:
        taught = self.teacher.parameters() if self.teacher is not None else ()
        return [*self.model.parameters(), *self.ctc.parameters(), *taught]

    def run(self, report: Report, dev: Callable[[Trainer], None] | None = None) -> None:
        """Train to the end; checkpoints now and then and at the end, a line of the log a step."""
        started = saved_at = time.monotonic()
        log = TrainingLog(self.folder, self.step_number) if self.ranks.first else None
        while not self.finished:
            step_began = time.monotonic()
            losses = self.step()
            self.spent_seconds = self.ranks.first_says(self.spent_seconds + time.monotonic() - step_began)
            if log is None:
                continue
            hours, seconds = self.audio_seconds / 3600, time.monotonic() - started
            progress = Progress(self.step_number, *losses, hours, self.learning_rate(), seconds)
            log.write(asdict(progress))
            report(progress)
            if time.monotonic() - saved_at > self.config.checkpoint_minutes * 60:
                log.flush()
                self.save()
                saved_at = time.monotonic()
            decodes = self.audio_seconds > self.config.ctc_first_hours * 3600  # before, there is nothing to judge
            if dev is not None and decodes and self.step_number % self.config.dev_steps == 0:
                dev(self)
        if log is not None:
            log.close()
            self.save()
            if dev is not None:
                dev(self)
        self.ranks.wait()

    def step(self) -> Losses:
        """Take the next batch, update once, return the losses."""
        items = self._next_items()
        # All of a step's draws follow from its number, so a run that was killed draws what it would have drawn.
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step_number)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step_number + 7919 * self.ranks.rank)  # dropout
        batch = self.batch_of(items, generator)
        if self.ranks.count > 1:
            batch = batch.rows(self.ranks.rows(len(items)))
        self.model.train()
        if self._plain_norms:
            for conv in self.model.modules():
                if isinstance(conv, Conv):
                    conv.norm.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate() * (self._encoder_rate() if group["encoder"] else 1.0)
        (labels,) = self.ranks.sum(float(batch.target_lengths.sum()))
        # Gradients are averaged over ranks, so a rank's sums are divided by its share of all labels.
        total, parts = self._parallel(batch, self._phase(), labels / self.ranks.count)
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self._parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.step_number += 1
        self.audio_seconds += sum(item.frames for item in items) * 0.01
        decay = min(self.config.ema_decay, (1 + self.step_number) / (10 + self.step_number))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.model.parameters()], 1 - decay)
        return Losses(*(part / self.ranks.count for part in self.ranks.sum(*parts.tolist())))

    def batch_of(self, items: Sequence[Item], generator: torch.Generator) -> Batch:
        """Return items as tensors, augmented; all draws come from `generator`."""
        augmentation, normalize = self.config.augment, self.model.normalize
        return collate(items, self.corpora, self.targets, normalize, augmentation, generator, clean=self._clean)

    def _phase(self) -> Phase:
        hours = self.audio_seconds / 3600
        if hours < self.config.flat_start_hours:
            return "spread"
        return "ctc" if hours < self.config.ctc_first_hours else "transducer"

    def learning_rate(self) -> float:
        """Linear warm-up by steps, then a cosine over the audio seen (or the time, with `minutes`)."""
        c = self.config
        cosine = c.final_rate + (1 - c.final_rate) * 0.5 * (1 + math.cos(math.pi * self.share_done()))
        return c.learning_rate * min(1.0, (self.step_number + 1) / c.warmup_steps) * cosine

    def _encoder_rate(self) -> float:
        frozen = self.audio_seconds < self.config.encoder_frozen_hours * 3600
        return 0.0 if frozen else self.config.encoder_rate

    def _next_items(self) -> list[Item]:
        if not self._batches:
            self._batches = self._epoch_batches()
        if self.next_batch >= len(self._batches):  # also where the data have changed since the checkpoint
            self.epoch, self.next_batch, self.epoch_began = self.epoch + 1, 0, self.audio_seconds
            self._batches = self._epoch_batches()
        self.next_batch += 1
        return self._batches[self.next_batch - 1]

    def _epoch_batches(self) -> list[list[Item]]:
        return epoch_batches(
            self.corpora,
            self.epoch,
            batch_frames=round(self.config.batch_seconds * 100),
            seed=self.config.seed,
            short_first_frames=round(self.config.short_first_seconds * 100),
            clean=self._clean,
        )

    @property
    def _clean(self) -> bool:
        """Whether this epoch hears recordings as they are."""
        return self.epoch_began < self.config.clean_first_hours * 3600

    def averaged_model(self) -> Transducer:
        """Return the network with averaged weights, in eval mode, computing as it was trained to."""
        model = Transducer(self.model.config)
        model.load_state_dict(self.averaged_weights())
        model.set_weights(self.config.weights)
        return model.eval()

    def averaged_weights(self) -> dict[str, Tensor]:
        """Return the state dict with averaged parameters; buffers (batch norm) are those of now."""
        weights = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        for (name, _), tensor in zip(self.model.named_parameters(), self.average, strict=True):
            weights[name] = tensor.clone()
        return weights

    def save(self) -> None:
        """Write the checkpoint."""
        training = {
            "step": self.step_number,
            "epoch": self.epoch,
            "next_batch": self.next_batch,
            "audio_seconds": self.audio_seconds,
            "spent_seconds": self.spent_seconds,
            "epoch_began": self.epoch_began,
            "model": self.model.state_dict(),
            "ctc": self.ctc.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
        }
        if self.teacher is not None:
            training["teacher"] = self.teacher.state_dict()
        settings = self.config.to_dict() | {"model": self.model.config.to_dict()}
        if self._plain_norms:
            settings["norms"] = PLAIN_NORMS
        settings["data"] = [[c.name, len(c), c.weight] for c in self.corpora]
        Checkpoint(
            self.model.config,
            self.averaged_weights(),
            self.pieces.model,
            self.config.piece_model,
            self.config.feature_preset,
            json.loads(json.dumps(settings)),
            training,
        ).save(self.checkpoint_path)

    def _restore(self, training: dict[str, Any]) -> None:
        self.model.load_state_dict(training["model"])
        self.ctc.load_state_dict(training["ctc"])
        if self.teacher is not None and "teacher" in training:
            self.teacher.load_state_dict(training["teacher"])
        self.optimizer.load_state_dict(training["optimizer"])
        self.step_number, self.epoch = training["step"], training["epoch"]
        self.next_batch, self.audio_seconds = training["next_batch"], training["audio_seconds"]
        self.spent_seconds = training.get("spent_seconds", 0.0)
        self.epoch_began = training.get("epoch_began", math.inf)


def feature_statistics(corpora: Sequence[CachedCorpus]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return mean and 1 / standard deviation of every mel over (a fair sample of) all corpora, (mels) each."""
    total: npt.NDArray[np.float64] = np.zeros(0)
    square, count = total, 0.0
    for corpus in corpora:
        chunk = corpus.frames[:: max(1, len(corpus.frames) // 200_000)].astype(np.float64)
        weight = corpus.weight * len(corpus.frames) / len(chunk)
        sums, squares = chunk.sum(0) * weight, (chunk**2).sum(0) * weight
        total, square = (total + sums, square + squares) if total.size else (sums, squares)
        count += len(chunk) * weight
    mean = total / count
    deviation = np.sqrt(np.maximum(square / count - mean**2, 1e-4))
    return mean.astype(np.float32), (1 / deviation).astype(np.float32)


def word_error_rate(model: Transducer, pieces: Pieces, corpus: CachedCorpus, limit: int = 0) -> float:
    """Return the WER in percent of greedy search on (the first, in a fixed random order) `limit` utterances; 0: all."""
    order = list(range(len(corpus)))
    random.Random(0).shuffle(order)
    chosen = order[: limit or len(order)]
    said = []
    for utterance in chosen:
        features = torch.from_numpy(corpus.features(utterance, 0).astype(np.float32))
        said.append(pieces.decode(transcribe_features(model, features)))
    return 100.0 * float(jiwer.wer([corpus.texts[u] for u in chosen], said))
