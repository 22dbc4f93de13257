"""The training loop every stage shares: seeded, resumable after a kill, with a progress bar and a JSONL metrics log.

A run directory holds `train.pt` (everything needed to go on: weights, optimizers, random state, position), `best.pt` (the
weights with the best validation score) and `metrics.jsonl`. Files are written beside and renamed, so a kill never leaves half
of one. Batches of an epoch must depend on the epoch number alone; then a resumed run repeats the uninterrupted one exactly.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from sottovoce.export.train.nlu import replicas

BatchT = TypeVar("BatchT")
Losses = dict[str, Tensor]  # the loss to minimize under "loss", its parts for the log under other names


@dataclass(frozen=True)
class LoopSettings:
    """Optimization settings of one stage."""

    epochs: int
    learning_rate: float
    head_learning_rate: float | None = None  # of parameters made anew in this stage
    word_learning_rate: float | None = None  # of word embedding rows
    warmup: float = 0.1  # share of all steps
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    seed: int = 0
    checkpoint_seconds: float = 120.0
    log_steps: int = 20
    bfloat16: bool = False  # float products in bfloat16 where the CPU has it; packed products stay exact


@dataclass
class Stage(Generic[BatchT]):
    """What a stage gives the loop. `trained` may hold helper modules beside `model`; only `model` is kept at the end."""

    name: str
    directory: Path
    model: nn.Module
    trained: nn.Module
    settings: LoopSettings
    make_batches: Callable[[int], Sequence[BatchT]]  # epoch -> batches
    losses: Callable[[BatchT], Losses]
    evaluate: Callable[[], dict[str, float]] | None = None  # must hold "score", higher is better
    # Receives the optimizers once they are there, with what a resumed run has restored.
    with_optimizers: Callable[[Sequence[torch.optim.Optimizer]], None] | None = None
    kept: Callable[[], dict[str, Tensor]] | None = None  # the weights to keep; None: the state of `model`
    is_head: Callable[[str], bool] = lambda name: name.startswith(("intent.", "slot.", "model.intent.", "model.slot."))


def _write(value: Any, path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(value, part)
    os.replace(part, path)


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear warm-up over the first `warmup` of all steps, then linear decay to 0; `progress` in [0, 1]."""
    if progress < warmup:
        return progress / warmup
    return max(0.0, (1.0 - progress) / (1.0 - warmup))


def _optimizers(stage: Stage[Any]) -> list[torch.optim.Optimizer]:
    settings = stage.settings
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    words: list[nn.Parameter] = []
    for name, parameter in stage.trained.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.endswith(("embeddings.word.weight", "embeddings.word.weight_2")):
            words.append(parameter)
            continue
        rate = settings.head_learning_rate if stage.is_head(name) else None
        decay = settings.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((rate or settings.learning_rate, decay), []).append(parameter)
    dense = torch.optim.AdamW(
        [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()], fused=True
    )
    optimizers: list[torch.optim.Optimizer] = [dense]
    if words:
        optimizers.append(torch.optim.SparseAdam(words, lr=settings.word_learning_rate or settings.learning_rate))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


class _Run(Generic[BatchT]):
    """The mutable state of one stage's run."""

    def __init__(self, stage: Stage[BatchT]) -> None:
        self.stage = stage
        self.optimizers = _optimizers(stage)
        self.epoch, self.position, self.step = 0, 0, 0
        self.best = float("-inf")
        self.seconds = 0.0
        self.log_path = stage.directory / "metrics.jsonl"
        stage.directory.mkdir(parents=True, exist_ok=True)
        replicas.join()
        torch.manual_seed(stage.settings.seed)
        if (stage.directory / "train.pt").exists():
            self._resume()
        elif self.log_path.exists() and replicas.is_writer():
            self.log_path.unlink()
        if stage.with_optimizers is not None:
            stage.with_optimizers(self.optimizers)

    def _resume(self) -> None:
        saved = torch.load(self.stage.directory / "train.pt", weights_only=True)
        self.stage.trained.load_state_dict(saved["trained"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        torch.set_rng_state(saved["rng"])
        self.epoch, self.position, self.step = saved["epoch"], saved["position"], saved["step"]
        self.best, self.seconds = saved["best"], saved["seconds"]
        if self.log_path.exists() and replicas.is_writer():
            lines = self.log_path.read_text(encoding="utf-8").splitlines(keepends=True)
            self.log_path.write_text("".join(line for line in lines if json.loads(line)["step"] <= self.step))

    def save(self) -> None:
        if not replicas.is_writer():
            return
        _write(
            {
                "trained": self.stage.trained.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "rng": torch.get_rng_state(),
                "epoch": self.epoch,
                "position": self.position,
                "step": self.step,
                "best": self.best,
                "seconds": self.seconds,
            },
            self.stage.directory / "train.pt",
        )

    def log(self, values: dict[str, float]) -> None:
        if not replicas.is_writer():
            return
        record = {"step": self.step, "epoch": self.epoch, **{key: round(value, 6) for key, value in values.items()}}
        with self.log_path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")

    def update(self, batch: BatchT, progress: float) -> dict[str, float]:
        """One optimization step."""
        factor = learning_rate_factor(progress, self.stage.settings.warmup)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.stage.settings.bfloat16):
            losses = self.stage.losses(batch)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        if replicas.count() > 1:
            replicas.average_gradients(p for p in self.stage.trained.parameters() if p.requires_grad)
        dense = [p for group in self.optimizers[0].param_groups for p in group["params"] if p.grad is not None]
        nn.utils.clip_grad_norm_(dense, self.stage.settings.clip_norm)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return {key: float(value.detach()) for key, value in losses.items()}

    def finish_epoch(self) -> None:
        """Validation, and the best weights so far."""
        self.epoch, self.position = self.epoch + 1, 0
        if self.stage.evaluate is not None:
            self.stage.model.eval()
            values = self.stage.evaluate()
            self.log({f"valid_{key}": value for key, value in values.items()} | {"seconds": self.seconds})
            score = values["score"]
        else:
            score = float(self.epoch)
        if score >= self.best and replicas.is_writer():
            kept = self.stage.kept or self.stage.model.state_dict
            _write(kept(), self.stage.directory / "best.pt")
        self.best = max(score, self.best)
        self.save()


def run_stage(stage: Stage[BatchT], *, max_steps: int | None = None) -> dict[str, Tensor] | None:
    """Trains (or goes on training) and returns the best weights of `stage.model`; None when `max_steps` stopped it early."""
    run, settings = _Run(stage), stage.settings
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not replicas.is_writer()) as bars:
        while run.epoch < settings.epochs:
            batches = replicas.share(stage.make_batches(run.epoch))
            label = f"{stage.name} {run.epoch + 1}/{settings.epochs}"
            task = bars.add_task(label, total=len(batches), completed=run.position)
            sums: dict[str, float] = {}
            summed = 0  # steps; a resumed run begins anew
            saved = time.monotonic()
            while run.position < len(batches):
                if max_steps is not None and run.step >= max_steps:
                    run.save()
                    return None
                started = time.monotonic()
                stage.trained.train()
                progress = (run.epoch + run.position / len(batches)) / settings.epochs
                for key, value in run.update(batches[run.position], progress).items():
                    sums[key] = sums.get(key, 0.0) + value
                run.position, summed = run.position + 1, summed + 1
                run.seconds += time.monotonic() - started
                if run.step % settings.log_steps == 0:
                    means = {key: value / summed for key, value in sums.items()}
                    run.log({**means, "seconds": run.seconds})
                    bars.update(task, description=f"{label} loss {means['loss']:.4f}")
                    sums, summed = {}, 0
                bars.advance(task)
                if time.monotonic() - saved > settings.checkpoint_seconds:
                    run.save()
                    saved = time.monotonic()
            run.finish_epoch()
            bars.remove_task(task)
    replicas.wait()
    best: dict[str, Tensor] = torch.load(stage.directory / "best.pt", weights_only=True)
    return best
