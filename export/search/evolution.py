"""Evolutionary search under a latency budget (AutoTinyBERT, section 3.3)."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass

from sottovoce.errors import InvalidInputError
from sottovoce.export.search.shape import Shape, Space

ATTEMPTS = 2000  # to find a shape within the budget, before giving up


@dataclass(frozen=True)
class Evolution:
    """How long and how wide the search goes; the defaults are the reference code's."""

    population: int = 25
    generations: int = 4
    explore: float = 0.5  # share of a generation that is drawn anew
    mutation: float = 0.25  # probability that a dimension of a parent changes
    floor: float = 0.85  # of the budget: a shape that is faster yet wastes it


@dataclass(frozen=True)
class Candidate:
    """A shape with its latency in microseconds and its score."""

    shape: Shape
    latency: float
    score: float


def evolve(
    space: Space,
    latency: Callable[[Shape], float],
    score: Callable[[Shape], float],
    budget: float,
    settings: Evolution,
    rng: random.Random,
) -> list[Candidate]:
    """All candidates that were scored, the best first; every one has floor * budget <= latency <= budget.

    Raises InvalidInputError when the budget is below the smallest shape, or nothing of the space lies in its window.
    """
    smallest = latency(space.smallest())
    if budget < smallest:
        raise InvalidInputError(
            f"budget: the smallest shape takes {smallest:.0f} us on this machine, found {budget:.0f}"
        )
    known: dict[Shape, Candidate] = {}

    def fits(shape: Shape) -> bool:
        return shape not in known and settings.floor * budget <= latency(shape) <= budget

    def find(draw: Callable[[], Shape]) -> Shape | None:
        return next((shape for shape in (draw() for _ in range(ATTEMPTS)) if fits(shape)), None)

    def add(shape: Shape | None) -> None:
        if shape is not None:
            known[shape] = Candidate(shape, latency(shape), score(shape))

    for _ in range(settings.population):
        add(find(lambda: space.sample(rng)))
    if not known:
        largest = latency(space.largest())
        raise InvalidInputError(
            f"budget: no shape takes {settings.floor * budget:.0f} to {budget:.0f} us; the largest takes {largest:.0f}"
        )
    for _ in range(settings.generations):
        parents = [candidate.shape for candidate in _ranked(known)[: max(2, settings.population // 2)]]
        breed = functools.partial(_child, space, parents, settings.mutation, rng)
        anew = round(settings.explore * settings.population)
        for number in range(settings.population):
            add(find(functools.partial(space.sample, rng) if number < anew else breed))
    return _ranked(known)


def _child(space: Space, parents: list[Shape], mutation: float, rng: random.Random) -> Shape:
    first, second = rng.choice(parents), rng.choice(parents)
    return space.mutate(space.cross(first, second, rng), rng, mutation)


def _ranked(known: dict[Shape, Candidate]) -> list[Candidate]:
    return sorted(known.values(), key=lambda candidate: (-candidate.score, candidate.latency))
