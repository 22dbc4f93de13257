"""Data parallel training under `torchrun`: one process a rank, each with its part of every batch.

Gradients are those of one process with the whole batch: losses are divided by the labels of all ranks, and batch norms see
the statistics of all ranks.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from sottovoce.export.models.transducer import Conv, Transducer


class Ranks:
    """This process among the others; alone without `torchrun`."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        """Describe; `join` also connects."""
        self.rank, self.count = rank, count

    @staticmethod
    def join() -> Ranks:
        """Connect to the other ranks that `torchrun` started, by gloo; alone when it did not."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Ranks()
        if not dist.is_initialized():
            dist.init_process_group("gloo", timeout=timedelta(hours=6))  # rank 0 alone computes features and dev sets
        return Ranks(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is the rank that logs and writes."""
        return self.rank == 0

    def rows(self, batch: int) -> list[int]:
        """Rows of a batch that are this rank's. With fewer rows than ranks, some serve several."""
        return [row % batch for row in range(self.rank, max(batch, self.count), self.count)]

    def sum(self, *values: float) -> list[float]:
        """Return the sums over ranks."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def first_says(self, value: float) -> float:
        """Return rank 0's value."""
        return self.sum(value if self.first else 0.0)[0]

    def wait(self) -> None:
        """Return when all ranks are here."""
        self.sum(0.0)

    def leave(self) -> None:
        """Disconnect."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def wrap(self, objective: nn.Module, *, unused: bool) -> nn.Module:
        """Return a module whose backward pass averages gradients over ranks; parameters become rank 0's.

        unused: some steps do without some parameters.
        """
        if self.count == 1:
            return objective
        # Buffers are equal already: batch norms see all ranks.
        return DistributedDataParallel(objective, find_unused_parameters=unused, broadcast_buffers=False)

    def share_statistics(self, model: Transducer) -> None:
        """Make the batch norms of `model` normalise over all ranks."""
        if self.count == 1:
            return
        for conv in [module for module in model.modules() if isinstance(module, Conv)]:
            shared = SharedBatchNorm(conv.norm.num_features)
            shared.load_state_dict(conv.norm.state_dict())
            conv.norm = shared


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm1d):
    """Batch norm over all ranks, for (batch, channels, ...); torch's own needs a GPU."""

    def forward(self, input: Tensor) -> Tensor:
        """input: (batch, channels, ...) -> same."""
        if not self.training:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        assert self.running_mean is not None and self.running_var is not None
        x = input.float()
        axes, shape = [0, *range(2, x.dim())], [1, -1] + [1] * (x.dim() - 2)
        count = torch.full((1,), x.numel() / x.shape[1])
        sums = _SumOverRanks.apply(torch.cat([x.sum(axes), count]))  # type: ignore[no-untyped-call]
        mean = sums[:-1] / sums[-1]
        centred = x - mean.view(shape)
        square = _SumOverRanks.apply(centred.square().sum(axes))  # type: ignore[no-untyped-call]
        variance = square / sums[-1]
        momentum = self.momentum or 0.0
        with torch.no_grad():
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(square / (sums[-1] - 1), momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scaled: Tensor = centred * (self.weight / torch.sqrt(variance + self.eps)).view(shape)
        return scaled + self.bias.view(shape)
