"""`train asr`: from manifests to a trained transducer. Seeded; killed, it goes on with the same losses."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sottovoce.errors import InvalidInputError
from sottovoce.export.models.transducer import BLANK, Transducer, TransducerConfig
from sottovoce.export.train.asr.augment import AugmentConfig, augment, random_gain
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.decoding import transcribe_features
from sottovoce.export.train.asr.encoder_teacher import EncoderTeacher
from sottovoce.export.train.asr.feature_cache import CachedCorpus
from sottovoce.export.train.asr.flat_start import flat_start_loss, spread_labels
from sottovoce.export.train.asr.losses import ctc_loss, transducer_loss
from sottovoce.export.train.asr.pieces import PieceModel, Pieces, train_pieces
from sottovoce.export.train.asr.sampler import Item, epoch_batches


@dataclass(frozen=True)
class RecipeConfig:
    """Everything that decides the outcome, besides the data."""

    model: TransducerConfig = field(default_factory=TransducerConfig)
    augment: AugmentConfig | None = field(default_factory=AugmentConfig)
    feature_preset: str = "kaldi80"
    piece_model: PieceModel = "bpe"
    audio_hours: float = 30.0  # to see in all, copies of an utterance counted each time
    minutes: float = 0.0  # of training at most, 0: no limit; the rate then falls by whichever ends first
    batch_seconds: float = 64.0
    short_first_seconds: float = 3.0
    learning_rate: float = 8e-4  # at the end of the warm-up
    final_rate: float = 0.02  # of the peak, at the end of the cosine
    warmup_steps: int = 300
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    ctc_weight: float = 0.3
    clean_first_hours: float = 4.0  # audio heard as recorded, unmasked: with noise, CTC finds no alignment for hours
    flat_start_hours: float = 1.0  # audio on which labels spread evenly over the speech guide the encoder
    ctc_first_hours: float = 3.0  # audio on which only CTC trains the encoder: it aligns sooner, and a step costs less
    teacher_weight: float = 1.0  # of the distance to the teacher's features, where there is a teacher
    bfloat16: bool = False  # matrix products of training in bfloat16: nearly twice as fast on a CPU that has them
    seed: int = 1
    checkpoint_minutes: float = 3.0
    dev_steps: int = 500  # between two looks at the dev sets

    def to_dict(self) -> dict[str, Any]:
        """Return plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """One step, for logs and bars."""

    step: int
    loss: float  # transducer loss a label; a frame's cross-entropy while labels are spread, 0 while only CTC trains
    ctc_loss: float  # a label
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
    ) -> None:
        """Start, or go on from `folder`/checkpoint.pt when it exists.

        `init` is what a new run adapts: its shape, vocabulary and weights are taken, its training state is not.
        `teacher` is a folder of features, see `EncoderTeacher`.
        Raises InvalidInputError when there is no data, and what `EncoderTeacher` raises.
        """
        if not corpora:
            raise InvalidInputError("train asr: wanted at least one manifest")
        self.config, self.corpora, self.folder = config, corpora, folder
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        saved = Checkpoint.load(self.checkpoint_path) if self.checkpoint_path.exists() else None
        if saved is not None or init is not None:
            given = saved or init
            assert given is not None
            piece_model, model_config = given.piece_model, given.config
        else:
            texts = [text for corpus in corpora for text in corpus.texts]
            piece_model = train_pieces(texts, config.model.vocab_size, config.piece_model)
            values = config.model.to_dict() | {"vocab_size": len(Pieces(piece_model))}
            model_config = TransducerConfig.from_dict(values)
        self.pieces = Pieces(piece_model)
        self.targets = [[self.pieces.encode(text) for text in corpus.texts] for corpus in corpora]
        self._durations = torch.tensor(
            [max(1.0, len(piece.lstrip("\u2581"))) for piece in self.pieces.pieces]
        )  # letters
        self.model = Transducer(model_config)
        self.ctc = nn.Linear(model_config.blocks[-1].model_dim, model_config.vocab_size)
        self.teacher: EncoderTeacher | None = None
        if teacher is not None:
            width, seconds = model_config.blocks[-1].model_dim, model_config.stride * 0.01
            self.teacher = EncoderTeacher(teacher, corpora, width, seconds)
        self.step_number, self.epoch, self.next_batch, self.audio_seconds = 0, 0, 0, 0.0
        self.spent_seconds, self.epoch_began = 0.0, 0.0  # epoch_began: seconds of audio heard by then
        decayed = [p for p in self._parameters() if p.dim() > 1]
        plain = [p for p in self._parameters() if p.dim() <= 1]
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
            weight_decay=config.weight_decay,
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
        """Train to the end; checkpoints now and then and at the end, a line of metrics.jsonl a step."""
        started = saved_at = time.monotonic()
        log_path = self.folder / "metrics.jsonl"
        _cut_log(log_path, self.step_number)
        with open(log_path, "a", encoding="utf-8") as log:
            while not self.finished:
                step_began = time.monotonic()
                loss, ctc = self.step()
                self.spent_seconds += time.monotonic() - step_began
                hours, seconds = self.audio_seconds / 3600, time.monotonic() - started
                progress = Progress(self.step_number, loss, ctc, hours, self.learning_rate(), seconds)
                log.write(json.dumps(asdict(progress)) + "\n")
                report(progress)
                if time.monotonic() - saved_at > self.config.checkpoint_minutes * 60:
                    log.flush()
                    self.save()
                    saved_at = time.monotonic()
                decodes = self.audio_seconds > self.config.ctc_first_hours * 3600  # before, there is nothing to judge
                if dev is not None and decodes and self.step_number % self.config.dev_steps == 0:
                    dev(self)
        self.save()
        if dev is not None:
            dev(self)

    def step(self) -> tuple[float, float]:
        """Take the next batch, update once, return the mean transducer loss and the mean CTC loss a label."""
        items = self._next_items()
        # All of a step's draws follow from its number, so a run that was killed draws what it would have drawn.
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step_number)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step_number)  # dropout
        features, lengths, targets, target_lengths = self._collate(items, generator)
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        with self._autocast():
            encoded, frame_lengths = self.model.encoder(features, lengths)
            log_probs = self.ctc(encoded).float().log_softmax(-1)
        labels = float(target_lengths.sum())
        ctc = ctc_loss(log_probs, targets, frame_lengths, target_lengths).sum() / labels
        loss = torch.zeros(())
        total = ctc
        if self.audio_seconds < self.config.flat_start_hours * 3600:
            stride = self.model.config.stride
            spread = spread_labels(features, lengths, targets, target_lengths, self._durations, stride)
            total = loss = flat_start_loss(log_probs, spread)
        if self.audio_seconds >= max(self.config.flat_start_hours, self.config.ctc_first_hours) * 3600:
            inputs = targets
            if self.config.augment is not None:
                masked = torch.rand(targets.shape, generator=generator) < self.config.augment.label_mask
                inputs = targets.masked_fill(masked, BLANK)
            with self._autocast():
                logits = self.model.join(encoded, inputs)
            loss = transducer_loss(logits, targets, frame_lengths, target_lengths).sum() / labels
            total = loss + self.config.ctc_weight * ctc
        if self.teacher is not None:
            total = total + self.config.teacher_weight * self.teacher.loss(encoded.float(), items)
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.step_number += 1
        self.audio_seconds += sum(item.frames for item in items) * 0.01
        decay = min(self.config.ema_decay, (1 + self.step_number) / (10 + self.step_number))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.model.parameters()], 1 - decay)
        return float(loss.detach()), float(ctc.detach())

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16)

    def learning_rate(self) -> float:
        """Linear warm-up by steps, then a cosine over the audio seen (or the time, with `minutes`)."""
        c = self.config
        cosine = c.final_rate + (1 - c.final_rate) * 0.5 * (1 + math.cos(math.pi * self.share_done()))
        return c.learning_rate * min(1.0, (self.step_number + 1) / c.warmup_steps) * cosine

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

    def _collate(self, items: list[Item], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return normalised features, zero beyond each end, their lengths, label ids and their counts."""
        lengths = torch.tensor([item.frames for item in items])
        features = torch.zeros(len(items), int(lengths.max()), self.model.config.num_mels)
        gain = torch.zeros(len(items), 1, 1)
        if self.config.augment is not None:
            gain = random_gain(lengths, self.config.augment, generator)
        for row, item in enumerate(items):
            frames = torch.from_numpy(self.corpora[item.corpus].features(item.utterance, item.copy).astype(np.float32))
            features[row, : item.frames] = self.model.normalize(frames + gain[row])
        if self.config.augment is not None and not self._clean:
            features = augment(features, lengths, self.config.augment, generator)
        ids = [self.targets[item.corpus][item.utterance] for item in items]
        targets = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
        for row, labels in enumerate(ids):
            targets[row, : len(labels)] = torch.tensor(labels)
        return features, lengths, targets, torch.tensor([len(labels) for labels in ids])

    def averaged_model(self) -> Transducer:
        """Return the network with averaged weights, in eval mode."""
        model = Transducer(self.model.config)
        model.load_state_dict(self.averaged_weights())
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
        settings = self.config.to_dict() | {"data": [[c.name, len(c), c.weight] for c in self.corpora]}
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


def _cut_log(path: Path, step: int) -> None:
    """Drop lines after `step`: what a killed run did beyond its last checkpoint is done again."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [
            line for line in lines if line.startswith("{") and line.endswith("}") and json.loads(line)["step"] <= step
        ]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
