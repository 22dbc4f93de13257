"""Templates of what people say: alternatives, optional parts, free order, slots, named parts.

    i want [a(n)] ([{size}] & [{roast}]) {drink} [(with | and) {milk}]     <polite> stands for a named part

`a | b` is one of both (`a *3 | b` draws the first three times as often), `[x]` is x or nothing, `(x & y)` is both in any
order, `{slot}` is a value of that slot, `<part>` a named part, `a(n)` the article that the next word takes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sottovoce.errors import DataError

ARTICLE = "a(n)"
_TOKEN = re.compile(r"a\(n\)|[()\[\]|&]|\{[^{}]*\}|<[^<>]*>|\*\d+(?:\.\d+)?|[^\s()\[\]|&{}<>*]+|\S")
_NAME = re.compile(r"[A-Za-z][\w.-]*$")
_MAX_DEPTH = 24  # of parts inside parts: a part that holds itself is a mistake


@dataclass(frozen=True)
class Word:
    """One word as written."""

    text: str


@dataclass(frozen=True)
class SlotRef:
    """A value of a slot."""

    name: str


@dataclass(frozen=True)
class PartRef:
    """A named part."""

    name: str


@dataclass(frozen=True)
class Group:
    """`kind`: "sequence", "choice" (with a weight for each item), "optional" (one item), "any-order"."""

    kind: str
    items: tuple[Node, ...]
    weights: tuple[float, ...] = ()


Node = Word | SlotRef | PartRef | Group


@dataclass(frozen=True)
class Segment:
    """A run of words: of the slot, or outside of all when `slot` is empty."""

    text: str
    slot: str = ""


def parse_template(text: str, where: str) -> Node:
    """Read a template; `where` names it in the message. Raises DataError."""
    reader = _Reader(_TOKEN.findall(text), f"{where}: template {text!r}")
    node = reader.alternatives()
    if reader.peek() is not None:
        raise DataError(f"{reader.where}: {reader.peek()!r} closes nothing")
    return node


class _Reader:
    def __init__(self, tokens: list[str], where: str) -> None:
        self._tokens, self._next, self.where = tokens, 0, where

    def peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def alternatives(self) -> Node:
        items, weights, joint = [], [], ""
        while True:
            items.append(self._sequence())
            token = self.peek()
            weights.append(1.0)
            if token is not None and re.match(r"\*\d", token):
                weights[-1] = float(token[1:])
                self._next += 1
                token = self.peek()
            if token not in ("|", "&"):
                break
            if joint and token != joint:
                raise DataError(f"{self.where}: wanted `|` or `&` between the same brackets, found both")
            joint = str(token)
            self._next += 1
        if len(items) == 1:
            return items[0]
        return Group("choice" if joint == "|" else "any-order", tuple(items), tuple(weights))

    def _sequence(self) -> Node:
        items: list[Node] = []
        while (token := self.peek()) is not None and token not in (")", "]", "|", "&") and not token.startswith("*"):
            self._next += 1
            if token in ("(", "["):
                inside = self.alternatives()
                closing = ")" if token == "(" else "]"
                if self.peek() != closing:
                    raise DataError(f"{self.where}: {token!r} wants a {closing!r}, found {self.peek() or 'the end'!r}")
                self._next += 1
                items.append(inside if token == "(" else Group("optional", (inside,)))
            elif token[0] in "{<":
                name = token[1:-1].strip()
                if not _NAME.match(name):
                    raise DataError(f"{self.where}: {token!r}: wanted a name of letters, digits, `_`, `-` or `.`")
                items.append(SlotRef(name) if token[0] == "{" else PartRef(name))
            elif token in ("}", ">"):
                raise DataError(f"{self.where}: {token!r} closes nothing")
            else:
                items.append(Word(token))
        return items[0] if len(items) == 1 else Group("sequence", tuple(items))


@dataclass
class Grammar:
    """Values of slots and named parts, each a list of templates that are drawn evenly."""

    slots: Mapping[str, Node] = field(default_factory=dict)
    parts: Mapping[str, Node] = field(default_factory=dict)

    def check(self, node: Node, where: str, inside: tuple[str, ...] = ()) -> None:
        """Raise DataError when a name is not known, a slot stands inside a slot, or a part holds itself."""
        if isinstance(node, Group):
            for item in node.items:
                self.check(item, where, inside)
        elif isinstance(node, SlotRef):
            if any(name.startswith("{") for name in inside):
                raise DataError(f"{where}: the slot {node.name!r} stands inside a slot's value")
            if node.name not in self.slots:
                raise DataError(
                    f"{where}: slot {node.name!r} is not known; slots are {', '.join(self.slots) or 'none'}"
                )
            self.check(self.slots[node.name], f"slot {node.name}", (*inside, "{" + node.name))
        elif isinstance(node, PartRef):
            if node.name not in self.parts:
                raise DataError(
                    f"{where}: part {node.name!r} is not known; parts are {', '.join(self.parts) or 'none'}"
                )
            if node.name in inside or len(inside) > _MAX_DEPTH:
                raise DataError(f"part {node.name!r} holds itself")
            self.check(self.parts[node.name], f"part {node.name}", (*inside, node.name))

    def draw(self, node: Node, rng: random.Random, optional: float = 0.5) -> list[Segment]:
        """Draw a sentence: its segments in order. `optional` is the share of optional parts that are said."""
        segments: list[Segment] = []
        words: list[str] = []
        for word, slot in self._draw(node, rng, optional):
            if slot is not None:  # a whole value
                segments += [Segment(" ".join(words))] if words else []
                segments.append(Segment(word, slot))
                words = []
            else:
                words.append(word)
        segments += [Segment(" ".join(words))] if words else []
        return _agree([segment for segment in segments if segment.text])

    def _draw(self, node: Node, rng: random.Random, optional: float) -> Iterator[tuple[str, str | None]]:
        if isinstance(node, Word):
            yield node.text, None
        elif isinstance(node, PartRef):
            yield from self._draw(self.parts[node.name], rng, optional)
        elif isinstance(node, SlotRef):
            yield " ".join(word for word, _ in self._draw(self.slots[node.name], rng, optional)), node.name
        elif node.kind == "choice":
            yield from self._draw(rng.choices(node.items, node.weights)[0], rng, optional)
        elif node.kind == "optional":
            if rng.random() < optional:
                yield from self._draw(node.items[0], rng, optional)
        else:
            items = list(node.items)
            if node.kind == "any-order":
                rng.shuffle(items)
            for item in items:
                yield from self._draw(item, rng, optional)

    def values(self, slot: str, limit: int = 2000) -> list[str]:
        """Return every value that a slot's templates say, sorted, at most `limit`."""
        found: set[str] = set()
        for value in self._expand(self.slots[slot]):
            found.add(" ".join(value.split()))
            if len(found) >= limit:
                break
        return sorted(found)

    def _expand(self, node: Node) -> Iterator[str]:
        if isinstance(node, Word):
            yield node.text
        elif isinstance(node, PartRef):
            yield from self._expand(self.parts[node.name])
        elif isinstance(node, SlotRef):
            yield from self._expand(self.slots[node.name])
        elif node.kind == "choice":
            for item in node.items:
                yield from self._expand(item)
        elif node.kind == "optional":
            yield ""
            yield from self._expand(node.items[0])
        else:  # free order: the written one
            yield from self._expand_all(node.items)

    def _expand_all(self, items: tuple[Node, ...]) -> Iterator[str]:
        if not items:
            yield ""
            return
        for head in self._expand(items[0]):
            for tail in self._expand_all(items[1:]):
                yield f"{head} {tail}"


def _agree(segments: list[Segment]) -> list[Segment]:
    """Replace `a(n)` by "a" or "an"."""
    words = " ".join(segment.text for segment in segments).split()
    following = iter([*words[1:], ""])
    result = []
    for segment in segments:
        chosen = []
        for word in segment.text.split():
            after = next(following)
            chosen.append(("an" if after[:1] in tuple("aeiou") else "a") if word == ARTICLE else word)
        result.append(Segment(" ".join(chosen), segment.slot))
    return result
