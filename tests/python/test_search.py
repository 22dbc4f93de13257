"""AutoTinyBERT: shapes inside a model, the latency table, evolution, and the recipe on a tiny model."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest
import torch
from test_binary_training import TINY, student

import sottovoce
from sottovoce.errors import InvalidInputError
from sottovoce.export.models.bert import JointBert, Quantization
from sottovoce.export.search.evolution import Evolution, evolve
from sottovoce.export.search.latency import LatencyTable
from sottovoce.export.search.shape import Shape, Space, axes, cut, ordered
from sottovoce.export.train.nlu.loop import LoopSettings
from sottovoce.export.train.nlu.search import SearchSettings, SubNetwork, SuperNetwork, search
from sottovoce.export.train.nlu.student_task import Start
from sottovoce.export.writers import write_checkpoint

__all__ = ["student"]  # the fixture
IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
KEEP = torch.tensor([[1.0, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
SPACE = Space(num_layers=(1, 2, 3, 4), hidden_size=(12, 20, 24), head_size=(3, 5, 6), ffn_size=(16, 28, 40))


def tiny() -> JointBert:
    torch.manual_seed(1)
    return JointBert(TINY).eval()


class TestShapes:
    def test_ordering_changes_nothing(self) -> None:
        model, other = tiny(), JointBert(TINY).eval()
        other.load_state_dict(ordered(model.state_dict(), TINY, torch.rand(24)))
        found, wanted = other(IDS, KEEP), model(IDS, KEEP)
        assert torch.allclose(found.slot_logits, wanted.slot_logits, atol=1e-5)
        weight = "layer.1.ffn.up.weight"
        assert not torch.equal(other.state_dict()[weight], model.state_dict()[weight])

    def test_a_cut_keeps_the_leading_parts_of_every_head(self) -> None:
        weights = tiny().state_dict()
        small = cut(weights, TINY, Shape(2, 20, 5, 28))
        model = JointBert(Shape(2, 20, 5, 28).config(TINY))
        model.load_state_dict(small)
        second_head = weights["layer.2.attention.query.weight"][6:11, :20]
        assert torch.equal(small["layer.1.attention.query.weight"][5:10], second_head)
        assert torch.equal(small["layer.1.ffn.down.bias"], weights["layer.2.ffn.down.bias"][:20])
        with pytest.raises(ValueError, match="ghost"):
            axes("layer.0.ffn.ghost.weight", 3)

    def test_the_largest_sub_network_is_the_network(self) -> None:
        network = SuperNetwork(tiny())
        whole = SubNetwork(network, Shape.of(TINY))
        assert torch.allclose(whole(IDS, KEEP).slot_logits, network.full(IDS, KEEP).slot_logits, atol=1e-6)

    def test_gradients_reach_the_leading_parts_and_the_rows_in_use(self) -> None:
        network = SuperNetwork(tiny())
        SubNetwork(network, Shape(1, 12, 3, 16))(IDS, KEEP).slot_logits.square().sum().backward()
        up = network.full.get_parameter("layer.0.ffn.up.weight").grad
        assert up is not None and up[:16, :12].any() and not up[16:].any() and not up[:, 12:].any()
        words = network.full.get_parameter("embeddings.word.weight").grad
        assert words is not None and words.is_sparse
        assert sorted(words.coalesce().indices()[0].tolist()) == sorted(IDS.unique().tolist())

    def test_space(self) -> None:
        space = Space.within(dataclasses.replace(TINY, hidden_size=384, head_size=32, num_heads=12, ffn_size=1536))
        assert space.largest() == Shape(4, 384, 32, 1536) and space.smallest() == Shape(1, 128, 11, 512)
        assert {23, 27} <= set(space.head_size)
        rng = random.Random(0)
        shape = space.sample(rng)
        assert all(space.mutate(shape, rng, 0.25) is not None for _ in range(20))
        child = space.cross(space.largest(), space.smallest(), rng)
        assert child.num_layers in (1, 4) and child.ffn_size in (512, 1536)


class TestEvolution:
    @staticmethod
    def latency(shape: Shape) -> float:
        return 10 + shape.num_layers * (shape.hidden_size + shape.ffn_size) / 10

    def test_it_finds_the_best_within_the_budget(self) -> None:
        def score(shape: Shape) -> float:
            return shape.num_layers + shape.head_size

        found = evolve(SPACE, self.latency, score, 25.0, Evolution(population=10, generations=3), random.Random(1))
        assert all(0.85 * 25 <= candidate.latency <= 25 for candidate in found)
        everything = [
            Shape(n, h, d, f)
            for n in SPACE.num_layers for h in SPACE.hidden_size for d in SPACE.head_size for f in SPACE.ffn_size
        ]  # fmt: skip
        assert found[0].score == max(score(s) for s in everything if 0.85 * 25 <= self.latency(s) <= 25)

    def test_impossible_budgets_are_named(self) -> None:
        with pytest.raises(InvalidInputError, match="the smallest shape takes 13 us on this machine, found 5"):
            evolve(SPACE, self.latency, lambda shape: 0.0, 5, Evolution(), random.Random(1))
        with pytest.raises(InvalidInputError, match="no shape takes 850 to 1000 us; the largest takes 36"):
            evolve(SPACE, self.latency, lambda shape: 0.0, 1000, Evolution(), random.Random(1))


def test_latency_table_is_measured_once_and_kept(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, quantization=Quantization.ternary())
    table = LatencyTable(config, tmp_path / "latency.json", runs=4)
    first = table.microseconds(Shape(2, 20, 5, 28))
    assert first > 0
    (row,) = json.loads((tmp_path / "latency.json").read_text())["rows"].items()
    assert row[0] == "20 5 28" and first == pytest.approx(row[1][0] + 2 * row[1][1])
    again = LatencyTable(config, tmp_path / "latency.json", runs=4)
    assert again.microseconds(Shape(4, 20, 5, 28)) == pytest.approx(row[1][0] + 4 * row[1][1])
    other = LatencyTable(config, tmp_path / "latency.json", tokens=8)
    assert other.rows == {}  # of another length: measured anew


def test_the_recipe(student: Path, tmp_path: Path) -> None:
    loop = LoopSettings(epochs=2, learning_rate=3e-3)
    settings = SearchSettings(
        super=loop, further=loop, budget=1e6, evolution=Evolution(population=2, generations=1, floor=0.0), sampled=1,
        scored_on=5,
    )  # fmt: skip
    start = Start(student, tmp_path / "data", "tiny", batch_size=16)
    found = search(start, tmp_path / "out", settings, SPACE)
    records = [json.loads(line) for line in (tmp_path / "out" / "search.jsonl").read_text().splitlines()]
    assert Shape.of(found.config) in {Shape(**record["shape"]) for record in records}
    best = max(record["score"] for record in records)
    assert next(r["score"] for r in records if Shape(**r["shape"]) == Shape.of(found.config)) == best
    assert found.metrics["test"]["utterances"] == 10
    write_checkpoint(tmp_path / "out" / "searched", tmp_path / "tiny.gguf")
    assert sottovoce.IntentParser.from_pretrained(tmp_path / "tiny.gguf").parse("wake me at seven").intent.name
    assert search(start, tmp_path / "out", settings, SPACE).config == found.config  # finished: only read
