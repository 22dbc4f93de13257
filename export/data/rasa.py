"""Rasa NLU training data in YAML: intents with examples whose entities stand in brackets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.data.records import Splits, bad
from sottovoce.export.data.spans import utterance_from_parts

# [value](name), [value](name:synonym), [value]{"entity": "name", ...}, [value][{"entity": "name"}, ...]
_ENTITY = re.compile(r"\[(?P<value>[^\[\]]+)\](?:\((?P<name>[^()]+)\)|(?P<json>\{[^{}]*\}|\[\{.*?\}\]))")


def looks_like(text: str) -> bool:
    """True when a line begins the top-level key `nlu`."""
    return re.search(r"^[\"']?nlu[\"']?\s*:", text, re.MULTILINE) is not None


def read(path: Path, text: str) -> Splits:
    """Read the `nlu` section; synonyms, lookup tables and regexes are skipped, other sections ignored.

    An entity with a role is the slot `entity.role`; its group and its synonym value are not kept.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "cannot be read"
        raise bad(path, mark.line + 1 if mark else None, f"not YAML: {reason}") from None
    sections = _mapping(root).get("nlu")
    if not isinstance(sections, yaml.SequenceNode):
        raise bad(path, _line(sections or root), "wanted `nlu:` to hold a list of intents")
    utterances = []
    for section in sections.value:
        fields = _mapping(section)
        if "intent" not in fields:
            if not fields.keys() & {"synonym", "lookup", "regex"}:
                raise bad(path, _line(section), "wanted an `intent`, `synonym`, `lookup` or `regex`")
            continue
        intent = str(fields["intent"].value).strip()
        if not intent or "examples" not in fields:
            raise bad(path, _line(section), f"intent {intent!r}: wanted a name and `examples`")
        for line, example in _examples(path, fields["examples"]):
            utterances.append(_utterance(path, line, example, intent))
    return {"": utterances}


def _line(node: Any) -> int | None:
    return node.start_mark.line + 1 if node is not None else None


def _mapping(node: Any) -> dict[str, Any]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _examples(path: Path, node: Any) -> Iterator[tuple[int, str]]:
    """Yield (line, example) of `examples`: a block of `- text` lines, or a list of strings or {text: ...}."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            value = _mapping(item).get("text", item)
            if not isinstance(value, yaml.ScalarNode):
                raise bad(path, _line(item), "wanted an example as a string or with `text`")
            yield value.start_mark.line + 1 + (value.style in ("|", ">")), value.value.strip()
        return
    if not isinstance(node, yaml.ScalarNode):
        raise bad(path, _line(node), "wanted `examples` as a block of `- text` lines or a list")
    block = node.style in ("|", ">")
    for offset, line in enumerate(node.value.split("\n")):
        number = node.start_mark.line + 1 + (offset + 1 if block else 0)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line.lstrip().startswith("-"):
            raise bad(path, number, f"wanted an example that begins with `- `, found {line.strip()!r}")
        yield number, line.lstrip()[1:].strip()


def _utterance(path: Path, line: int, example: str, intent: str) -> Utterance:
    parts: list[tuple[str, str | None]] = []
    position = 0
    for match in _ENTITY.finditer(example):
        parts.append((example[position : match.start()], None))
        parts.append((match["value"], _entity_name(path, line, match)))
        position = match.end()
    parts.append((example[position:], None))
    try:
        utterance = utterance_from_parts(parts, intent)
    except ValueError as error:
        raise bad(path, line, str(error)) from None
    if not utterance.words:
        raise bad(path, line, f"intent {intent!r}: an example is empty")
    return utterance


def _entity_name(path: Path, line: int, match: re.Match[str]) -> str:
    if match["name"] is not None:
        return match["name"].split(":", 1)[0].strip()
    try:
        value = json.loads(match["json"])
    except json.JSONDecodeError as error:
        raise bad(path, line, f"the entity {match['json']} is not JSON: {error.msg}") from None
    value = value[0] if isinstance(value, list) else value
    name = value.get("entity")
    if not isinstance(name, str):
        raise bad(path, line, f'wanted a key "entity" in {match["json"]}')
    return f"{name}.{value['role']}" if value.get("role") else name
