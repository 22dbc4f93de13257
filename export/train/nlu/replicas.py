"""Data-parallel training under torchrun: every process takes its share of the batches, gradients are averaged (gloo).

    torchrun --nproc-per-node 2 -m sottovoce.export ternarize ...

All processes start alike and hold the same weights; process 0 alone writes files and shows progress.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from sottovoce.errors import InvalidInputError

BatchT = TypeVar("BatchT")


def rank() -> int:
    """Which of the processes this is."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """How many processes train together: 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_writer() -> bool:
    """Whether this process writes files."""
    return rank() == 0


def share(batches: Sequence[BatchT]) -> Sequence[BatchT]:
    """This process's batches: every count-th, as many as the others have. InvalidInputError when there are too few."""
    if len(batches) < count():
        raise InvalidInputError(f"torchrun: {count()} processes for {len(batches)} batches; wanted at most one each")
    return batches[rank() :: count()][: len(batches) // count()]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; a parameter that one process did not use counts as zeros there."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradient = parameter.grad.coalesce() if parameter.grad.is_sparse else parameter.grad
        dist.all_reduce(gradient)
        parameter.grad = gradient / count()


def join() -> None:
    """Meet the other processes, once; nothing without torchrun."""
    if count() > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")


def wait() -> None:
    """Until all processes are here: what process 0 wrote before can be read after."""
    if count() > 1:
        dist.barrier()
