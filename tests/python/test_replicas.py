"""Data-parallel training: shares of the batches, averaged gradients, one writer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from sottovoce.errors import InvalidInputError
from sottovoce.export.train.nlu import replicas


def test_without_torchrun_there_is_one_writer_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    assert replicas.count() == 1 and replicas.is_writer()
    assert list(replicas.share([1, 2, 3])) == [1, 2, 3]
    replicas.join()
    replicas.wait()
    assert not dist.is_initialized()


def test_shares_are_disjoint_and_equally_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    shares = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        assert replicas.is_writer() == (rank == 0)
        shares.append(list(replicas.share(list(range(8)))))
    assert shares == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(InvalidInputError, match="3 processes for 2 batches"):
        replicas.share([1, 2])


def test_averages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        monkeypatch.setenv("WORLD_SIZE", "2")  # as if another had brought zeros
        dense, unused = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
        table = torch.nn.Embedding(5, 2, sparse=True)
        (dense.sum() * 4 + table(torch.tensor([1, 1, 3])).sum()).backward()
        replicas.average_gradients([dense, unused, table.weight])
        assert dense.grad is not None and dense.grad.tolist() == [2, 2]
        assert unused.grad is not None and unused.grad.tolist() == [0, 0, 0]
        assert table.weight.grad is not None and table.weight.grad.is_sparse
        assert table.weight.grad.to_dense().tolist() == [[0, 0], [1, 1], [0, 0], [0.5, 0.5], [0, 0]]
    finally:
        dist.destroy_process_group()
