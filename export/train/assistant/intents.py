"""A list of intents from YAML: our own layout with templates, or Rasa NLU training data."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sottovoce.errors import DataError, ModelNotFoundError
from sottovoce.export.data import rasa
from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.synthesis.spoken_form import spoken_form
from sottovoce.export.train.assistant.grammar import Grammar, Group, Node, SlotRef, Word, parse_template

_KEYS = {"name", "licence", "intents", "parts", "slots", "out_of_scope", "attribution"}


@dataclass(frozen=True)
class Sentence:
    """One thing to say: words in spoken form with BIO tags."""

    intent: str
    words: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def text(self) -> str:
        """Words joined by spaces."""
        return " ".join(self.words)


@dataclass
class Domain:
    """What an assistant understands."""

    name: str
    intents: dict[str, list[Node]]  # intent: its templates, drawn evenly
    grammar: Grammar
    synonyms: dict[str, dict[str, str]] = field(default_factory=dict)  # slot: {said: value}
    out_of_scope: list[str] = field(default_factory=list)  # sentences of no intent
    licence: str = "Apache-2.0"
    attribution: list[str] = field(default_factory=list)

    def draw(self, rng: random.Random) -> Sentence | None:
        """Draw an intent evenly, then one of its templates, then a sentence; None when no rule can say it."""
        intent = rng.choice(list(self.intents))
        segments = self.grammar.draw(rng.choice(self.intents[intent]), rng)
        words: list[str] = []
        tags: list[str] = []
        for segment in segments:
            spoken = spoken_form(segment.text)
            if spoken is None:
                return None
            new = spoken.split()
            words += new
            tags += (
                ([f"B-{segment.slot}"] + [f"I-{segment.slot}"] * (len(new) - 1))[: len(new)]
                if segment.slot
                else ["O"] * len(new)
            )
        return Sentence(intent, tuple(words), tuple(tags)) if words else None

    def sentences(self, count: int, seed: int, *, distinct: bool = False) -> list[Sentence]:
        """Draw `count` sentences (fewer when there are not as many distinct ones). The same seed, the same sentences."""
        rng = random.Random(f"{seed} sentences")
        found: list[Sentence] = []
        known: set[str] = set()
        for _ in range(20 * count):
            if len(found) == count:
                break
            sentence = self.draw(rng)
            if sentence is None or (distinct and sentence.text in known):
                continue
            known.add(sentence.text)
            found.append(sentence)
        if not found:
            raise DataError(f"{self.name}: no sentence that the rules of speech can say")
        return found

    def slot_values(self) -> dict[str, list[str]]:
        """Return every slot's values in spoken form."""
        return {
            slot: sorted({said for value in self.grammar.values(slot) if (said := spoken_form(value))})
            for slot in self.grammar.slots
        }


def load_domain(path: Path) -> Domain:
    """Read a list of intents. Raises ModelNotFoundError, DataError with what was wanted and found."""
    if not path.is_file():
        raise ModelNotFoundError(f"intents {path}: no such file")
    text = path.read_text(encoding="utf-8")
    if rasa.looks_like(text):
        return _rasa_domain(path, text)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {str(error)[:200]}") from None
    if not isinstance(content, dict) or not isinstance(content.get("intents"), dict) or not content["intents"]:
        raise DataError(f"{path}: wanted a mapping with `intents`, each a list of templates (or Rasa's `nlu:`)")
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise DataError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    synonyms: dict[str, dict[str, str]] = {}
    slots = {
        name: _values(f"{path}: slot {name}", value, synonyms.setdefault(name, {}))
        for name, value in _mapping(path, content, "slots").items()
    }
    parts = {
        name: _choice([parse_template(t, f"{path}: part {name}") for t in _templates(path, f"part {name}", value)])
        for name, value in _mapping(path, content, "parts").items()
    }
    intents = {
        str(name): [parse_template(t, f"{path}: intent {name}") for t in _templates(path, f"intent {name}", value)]
        for name, value in content["intents"].items()
    }
    grammar = Grammar(slots, parts)
    for name, templates in intents.items():
        for template in templates:
            grammar.check(template, f"{path}: intent {name}")
    return Domain(
        str(content.get("name") or path.stem),
        intents,
        grammar,
        {slot: said for slot, said in synonyms.items() if said},
        _templates(path, "out_of_scope", content.get("out_of_scope") or []),
        str(content.get("licence") or "Apache-2.0"),
        _templates(path, "attribution", content.get("attribution") or []),
    )


def _mapping(path: Path, content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise DataError(f"{path}: wanted `{key}` to be a mapping from names, found {type(value).__name__}")
    return {str(name): item for name, item in value.items()}


def _templates(path: Path, what: str, value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float) for item in items) or (what != "out_of_scope" and value is None):
        raise DataError(f"{path}: {what}: wanted a template or a list of templates, found {value!r}")
    return [str(item) for item in items]


def _choice(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Group("choice", tuple(nodes), (1.0,) * len(nodes))


def _values(where: str, value: Any, synonyms: dict[str, str]) -> Node:
    """A list of values; a value with synonyms is a mapping `large: [big, huge]`."""
    nodes: list[Node] = []
    for item in value if isinstance(value, list) else [value]:
        pairs = item.items() if isinstance(item, dict) else [(item, [])]
        for canonical, others in pairs:
            if not isinstance(canonical, str | int | float) or not isinstance(others, list | str):
                raise DataError(f"{where}: wanted a value or `value: [synonyms]`, found {item!r}")
            said = [str(canonical), *([others] if isinstance(others, str) else map(str, others))]
            nodes.append(_choice([parse_template(text, where) for text in said]))
            for text in said[1:]:
                synonyms[spoken_form(text) or text] = str(canonical)
    if not nodes:
        raise DataError(f"{where}: wanted at least one value")
    return _choice(nodes)


def _rasa_domain(path: Path, text: str) -> Domain:
    """Examples become templates in which every annotated value may be any value of its entity; lookup tables add values."""
    utterances = rasa.read(path, text)[""]
    values: dict[str, set[str]] = {}
    intents: dict[str, list[Node]] = {}
    for utterance in utterances:
        items: list[Node] = []
        for slot, said in _segments(utterance):
            if slot:
                values.setdefault(slot, set()).add(said)
                items.append(SlotRef(slot))
            else:
                items += [Word(word) for word in said.split()]
        intents.setdefault(utterance.intent, []).append(Group("sequence", tuple(items)))
    synonyms: dict[str, str] = {}
    for section in yaml.safe_load(text)["nlu"]:
        lines = section.get("examples") or ""
        listed = lines if isinstance(lines, list) else re.findall(r"^\s*-\s*(.+?)\s*$", lines, re.MULTILINE)
        if section.get("lookup") in values:
            values[section["lookup"]].update(map(str, listed))
        elif "synonym" in section:
            synonyms |= {spoken_form(str(line)) or str(line): str(section["synonym"]) for line in listed}
    slots = {slot: _choice([_literal(value) for value in sorted(said)]) for slot, said in values.items()}
    by_slot = {
        slot: {said: synonyms[said] for value in known if (said := spoken_form(value) or value) in synonyms}
        for slot, known in values.items()
    }
    return Domain(path.stem, intents, Grammar(slots), {slot: said for slot, said in by_slot.items() if said})


def _literal(text: str) -> Node:
    return Group("sequence", tuple(Word(word) for word in text.split()))


def _segments(utterance: Utterance) -> list[tuple[str, str]]:
    pieces: list[tuple[str, list[str]]] = []
    for word, tag in zip(utterance.words, utterance.tags, strict=True):
        slot = tag[2:] if tag != "O" else ""
        if pieces and pieces[-1][0] == slot and not tag.startswith("B-"):
            pieces[-1][1].append(word)
        else:
            pieces.append((slot, [word]))
    return [(slot, " ".join(words)) for slot, words in pieces]
