"""AutoTinyBERT (Yin et al., ACL 2021): one super-network, evolution under a latency budget, extraction, further training.

    OUT/super      the super-network, float32          OUT/latency.json   what shapes cost on this machine
    OUT/search.jsonl   every shape that was scored     OUT/searched       the best one, distilled further, calibrated: the result

The super-network has the teacher's shape; every step trains its largest, its smallest and some other sub-networks together
(the sandwich rule), each to imitate the teacher.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from sottovoce.errors import InvalidInputError
from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.compress.projection import layer_map
from sottovoce.export.models.bert import BertOutput, JointBert, Quantization
from sottovoce.export.search.evolution import Candidate, Evolution, evolve
from sottovoce.export.search.latency import LatencyTable
from sottovoce.export.search.shape import Shape, Space, cut, ordered
from sottovoce.export.train.nlu import replicas
from sottovoce.export.train.nlu.batches import Batch
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.train.nlu.evaluate import validation
from sottovoce.export.train.nlu.loop import LoopSettings, Losses, Stage, run_stage
from sottovoce.export.train.nlu.student_task import Start, compress
from sottovoce.export.train.nlu.task import Task
from sottovoce.export.train.nlu.task_losses import distillation_losses
from sottovoce.export.train.nlu.task_stage import distil_on_task

ORDERING_BATCHES = 20  # whose states order the channels


@dataclass(frozen=True)
class SearchSettings:
    """How long each part takes, and the budget it is for."""

    super: LoopSettings
    further: LoopSettings
    budget: float  # microseconds of a parse
    evolution: Evolution = field(default_factory=Evolution)
    sampled: int = 2  # sub-networks a step beside the largest and the smallest
    tokens: int = 16  # of the parse
    scored_on: int = 300  # utterances of the validation split
    quantization: Quantization = field(default_factory=Quantization.ternary)  # that the budget is meant for


class SubNetwork(nn.Module):
    """One shape inside a super-network, called like a joint BERT."""

    def __init__(self, above: SuperNetwork, shape: Shape) -> None:
        super().__init__()
        self.above = [above]  # in a list: its parameters are not this module's
        self.shape = shape
        self.config = shape.config(above.full.config)
        with torch.device("meta"):
            self._shape = JointBert(self.config)
        self._shape.embeddings.word.sparse = False  # it looks up in the rows of the batch only

    def forward(self, ids: Tensor, keep: Tensor | None = None, **wants: Any) -> BertOutput:
        """As `JointBert`."""
        full = self.above[0].full
        # Only the rows of this batch: their gradient stays sparse in the large table, which a cut table's would not.
        used, places = torch.unique(ids, return_inverse=True)
        weights: dict[str, Tensor] = dict(full.named_parameters())
        weights["embeddings.word.weight"] = functional.embedding(used, weights["embeddings.word.weight"], sparse=True)
        small = cut(weights, full.config, self.shape)
        output: BertOutput = functional_call(self._shape, small, (places, keep), wants)
        return output


class SuperNetwork(nn.Module):
    """A joint BERT whose leading parts are trained to work alone, with a map from any hidden size to the teacher's."""

    def __init__(self, full: JointBert) -> None:
        super().__init__()
        self.full = full
        self.fit = nn.Linear(full.config.hidden_size, full.config.hidden_size)
        with torch.no_grad():
            self.fit.weight.copy_(torch.eye(full.config.hidden_size))
            self.fit.bias.zero_()


class SubStudent(StudentWithFit):
    """A sub-network with the part of the super-network's map that its states need."""

    def __init__(self, above: SuperNetwork, shape: Shape, teacher_layers: int) -> None:
        layers = layer_map(shape.num_layers, teacher_layers)
        super().__init__(SubNetwork(above, shape), shape.hidden_size, layers)
        self.above = [above]  # in a list: its parameters are not this module's

    def to_teacher(self, hidden: Tensor) -> Tensor:
        """States of the shape's hidden size in the teacher's space."""
        fit = self.above[0].fit
        return functional.linear(hidden, fit.weight[:, : hidden.shape[-1]], fit.bias)


@torch.no_grad()
def order_for_cutting(teacher: Checkpoint, batches: list[Batch]) -> Mapping[str, Tensor]:
    """The teacher's weights with its best channels, neurons and dimensions first."""
    model = teacher.build().eval()
    energy = torch.zeros(teacher.config.hidden_size)
    for batch in batches:
        for hidden in model(batch.ids, batch.keep, want_hidden=True).hidden:
            energy += (hidden * batch.keep.unsqueeze(-1)).square().sum((0, 1))
    return ordered(teacher.weights, teacher.config, energy)


def train_super(task: Task, teacher: Checkpoint, directory: Path, space: Space, settings: SearchSettings) -> Checkpoint:
    """Train (or resume) the super-network: the teacher's shape, its parts distilled from the teacher."""
    torch.manual_seed(settings.super.seed)
    start = replace(
        teacher, weights=dict(order_for_cutting(teacher, task.batches(0, 0, augment=False)[:ORDERING_BATCHES]))
    )
    network = SuperNetwork(start.build())
    above = teacher.build().requires_grad_(False).eval()
    layers = teacher.config.num_layers
    students: dict[Shape, SubStudent] = {}

    def losses(batch: Batch) -> Losses:
        seed = int(torch.randint(2**31, ()))  # of the loop's own generator, so that a resumed run draws the same
        rng = random.Random(seed)
        shapes = [space.largest(), *(space.sample(rng) for _ in range(settings.sampled)), space.smallest()]
        total: Losses = {}
        for shape in shapes:
            if len(students) > 64:
                students.clear()
            student = students.setdefault(shape, SubStudent(network, shape, layers))
            for name, value in distillation_losses(student, above, batch, logits=True).items():
                total[name] = total.get(name, torch.zeros(())) + value / len(shapes)
        return total

    def evaluate() -> dict[str, float]:
        valid = task.splits["valid"]
        values = {
            name: validation(SubNetwork(network, shape), task.encoder, valid)["score"]
            for name, shape in (("largest", space.largest()), ("smallest", space.smallest()))
        }
        return {f"{name}_score": value for name, value in values.items()} | {"score": sum(values.values())}

    stage = Stage(
        name="super-network",
        directory=directory,
        model=network.full,
        trained=network,
        settings=settings.super,
        make_batches=lambda epoch: task.batches(epoch, settings.super.seed),
        losses=losses,
        evaluate=evaluate,
        is_head=lambda name: name.startswith(("full.intent.", "full.slot.")),
    )
    best = run_stage(stage)
    assert best is not None
    return replace(start, weights=best, metrics={}, training={})


def find_shape(task: Task, network: Checkpoint, out: Path, space: Space, settings: SearchSettings) -> Candidate:
    """Evolve under the budget; scores are those of sub-networks as they are, on some of the validation split. Resumes."""
    above = SuperNetwork(network.build().eval())
    config = replace(network.config, quantization=settings.quantization)
    table = LatencyTable(config, out / "latency.json", tokens=settings.tokens)
    log = out / "search.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    known = {Shape(**record["shape"]): float(record["score"]) for record in map(json.loads, lines)}
    utterances = task.splits["valid"][: settings.scored_on]

    def score(shape: Shape) -> float:
        if shape not in known:
            known[shape] = validation(SubNetwork(above, shape), task.encoder, utterances)["score"]
            record = {"shape": asdict(shape), "latency": table.microseconds(shape), "score": round(known[shape], 4)}
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
        return known[shape]

    rng = random.Random(settings.super.seed)
    return evolve(space, table.microseconds, score, settings.budget, settings.evolution, rng)[0]


def extract(network: Checkpoint, shape: Shape) -> Checkpoint:
    """A sub-network as a checkpoint of its own."""
    weights = {name: tensor.clone() for name, tensor in cut(network.weights, network.config, shape).items()}
    return replace(network, config=shape.config(network.config), weights=weights)


def train_searched(
    task: Task, teacher: Checkpoint, start: Checkpoint, directory: Path, settings: LoopSettings
) -> Checkpoint:
    """Distil the extracted sub-network further, alone."""
    torch.manual_seed(settings.seed)
    model = start.build()
    config = start.config
    basis = torch.eye(teacher.config.hidden_size)[:, : config.hidden_size]
    layers = layer_map(config.num_layers, teacher.config.num_layers)
    student = StudentWithFit(model, teacher.config.hidden_size, layers, basis)
    best = distil_on_task("further distillation", task, directory, model, student, teacher.build(), settings)
    return replace(start, weights=best, metrics={}, training={})


def search(start: Start, out: Path, settings: SearchSettings, space: Space | None = None) -> Checkpoint:
    """From a float32 teacher to the float32 model of the best shape within the budget, in OUT/searched. Raises as `compress`.

    InvalidInputError, too, for a budget that no shape meets on this machine.
    """
    if replicas.count() > 1:
        raise InvalidInputError(f"torchrun: a search measures latencies, wanted one process, found {replicas.count()}")

    def train(task: Task, teacher: Checkpoint) -> Checkpoint:
        among = space or Space.within(teacher.config)
        network = train_super(task, teacher, out / "super", among, settings)
        found = find_shape(task, network, out, among, settings)
        print(f"{found.shape}: {found.latency:.0f} us, score {found.score:.2f} before further training")
        return train_searched(task, teacher, extract(network, found.shape), out / "searched", settings.further)

    return compress(start, out / "searched", settings, train)
