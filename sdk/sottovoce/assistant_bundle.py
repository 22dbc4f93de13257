"""The files of an assistant: a folder with assistant.json, a recognizer and a parser, or a zip of it, uncompressed.

`sottovoce-export train assistant` writes it; docs/artifact_format.md describes it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sottovoce.errors import DataError, ModelNotFoundError, UnsupportedError
from sottovoce.models import resolve_assistant

FORMAT = "sottovoce-assistant"
VERSION = 1
MANIFEST = "assistant.json"
_REQUIRED: dict[str, type] = {"name": str, "recognizer": str, "parser": str}
_OPTIONAL: dict[str, type] = {
    "beam": int,
    "biasing": list,
    "slots": dict,
    "licence": str,
    "attribution": list,
    "metrics": dict,
}
_KINDS: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "an object"}
_WIDEST_BEAM = 64
_LARGEST_MANIFEST = 16 << 20
_LARGEST_BOOST = 100.0


class AssistantBundle(NamedTuple):
    """What a bundle holds; the models are paths, or their bytes when the bundle is a single file."""

    name: str
    recognizer: str | bytes
    parser: str | bytes
    beam: int  # hypotheses that the search keeps
    biasing: tuple[tuple[str, float], ...]
    slots: Mapping[str, Mapping[str, Any]]
    licence: str
    attribution: tuple[Any, ...]
    metrics: Mapping[str, Any]


def open_bundle(name_or_path: str | os.PathLike[str]) -> AssistantBundle:
    """Read a bundled assistant by name, or a folder or a file by path.

    Raises:
        ModelNotFoundError: no such assistant, or a file of it is missing.
        DataError: assistant.json or the zip is broken; the message names the entry.
        UnsupportedError: another format, a newer version, or a compressed zip.
    """
    path = resolve_assistant(name_or_path)
    if os.path.isdir(path):
        return _from_folder(path)
    return _from_file(path)


def _from_folder(folder: str) -> AssistantBundle:
    where = os.path.join(folder, MANIFEST)
    try:
        with open(where, "rb") as file:
            text = file.read(_LARGEST_MANIFEST + 1)
    except FileNotFoundError:
        raise ModelNotFoundError(f"{folder}: wanted an assistant, a folder with {MANIFEST}, found none") from None

    def model(name: str) -> str:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise ModelNotFoundError(f"{where}: {path}: no such file")
        return path

    return _bundle(where, text, model)


def _from_file(path: str) -> AssistantBundle:
    import zipfile  # slow to import, and most bundles are folders

    try:
        with zipfile.ZipFile(path) as archive:

            def member(name: str) -> bytes:
                try:
                    entry = archive.getinfo(name)
                except KeyError:
                    raise ModelNotFoundError(f"{path}: wanted an assistant's {name} in it, found none") from None
                if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                    raise UnsupportedError(f"{path}: {name}: wanted it stored, found it compressed or encrypted")
                return archive.read(entry)

            return _bundle(f"{path}: {MANIFEST}", member(MANIFEST), member)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DataError(f"{path}: wanted an assistant, a folder or a zip of one, found a broken zip: {error}") from None


def _bundle(where: str, text: bytes, model: Callable[[str], Any]) -> AssistantBundle:
    content = _manifest(where, text)
    models = {key: model(_file_name(where, key, content[key])) for key in ("recognizer", "parser")}
    return AssistantBundle(
        content["name"],
        models["recognizer"],
        models["parser"],
        content.get("beam", 1),
        tuple([_phrase(where, number, entry) for number, entry in enumerate(content.get("biasing", []))]),
        {slot: _slot(where, slot, entry) for slot, entry in content.get("slots", {}).items()},
        content.get("licence", ""),
        tuple(content.get("attribution", [])),
        content.get("metrics", {}),
    )


def _manifest(where: str, text: bytes) -> dict[str, Any]:
    if len(text) > _LARGEST_MANIFEST:
        raise DataError(f"{where}: wanted at most {_LARGEST_MANIFEST} bytes, found more")
    try:
        content = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: wanted JSON in UTF-8: {error}") from None
    if not isinstance(content, dict):
        raise DataError(f"{where}: wanted an object, found {_found(content)}")
    if content.get("format") != FORMAT:
        raise UnsupportedError(f"{where}: format: wanted {FORMAT!r}, found {_found(content.get('format'))}")
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        raise UnsupportedError(f"{where}: version: wanted {VERSION}, found {_found(content.get('version'))}")
    known = _REQUIRED | _OPTIONAL
    for key in _REQUIRED.keys() - content.keys():
        raise DataError(f"{where}: {key}: missing")
    for key, value in content.items():
        if key in ("format", "version"):
            continue
        if key not in known:
            raise DataError(f"{where}: {key}: unknown; wanted {', '.join(known)}")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise DataError(f"{where}: {key}: wanted {_KINDS[known[key]]}, found {_found(value)}")
    if not 1 <= content.get("beam", 1) <= _WIDEST_BEAM:
        raise DataError(f"{where}: beam: wanted 1 to {_WIDEST_BEAM}, found {content['beam']}")
    return content


def _file_name(where: str, key: str, value: str) -> str:
    # A file of the bundle itself: no way out of the folder.
    if not value or value in (".", "..") or any(letter in value for letter in "/\\\0:"):
        raise DataError(f"{where}: {key}: wanted the name of a file beside {MANIFEST}, found {_found(value)}")
    return value


def _phrase(where: str, number: int, entry: Any) -> tuple[str, float]:
    if not isinstance(entry, dict) or entry.keys() != {"phrase", "boost"}:
        raise DataError(f'{where}: biasing[{number}]: wanted {{"phrase": ..., "boost": ...}}, found {_found(entry)}')
    phrase, boost = entry["phrase"], entry["boost"]
    if not isinstance(phrase, str) or not phrase.strip():
        raise DataError(f"{where}: biasing[{number}]: phrase: wanted text, found {_found(phrase)}")
    if isinstance(boost, bool) or not isinstance(boost, int | float) or not math.isfinite(boost):
        raise DataError(f"{where}: biasing[{number}]: boost: wanted a number, found {_found(boost)}")
    if abs(boost) > _LARGEST_BOOST:
        raise DataError(f"{where}: biasing[{number}]: boost: wanted -100 to 100, found {boost}")
    return phrase, float(boost)


def _slot(where: str, slot: str, entry: Any) -> dict[str, Any]:
    where = f"{where}: slots.{slot}"
    if not isinstance(entry, dict) or not entry.keys() <= {"values", "synonyms"}:
        raise DataError(f'{where}: wanted {{"values": [...], "synonyms": {{...}}}}, found {_found(entry)}')
    values, synonyms = entry.get("values", []), entry.get("synonyms", {})
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise DataError(f"{where}.values: wanted a list of texts, found {_found(values)}")
    if not isinstance(synonyms, dict) or not all(isinstance(value, str) for value in synonyms.values()):
        raise DataError(f"{where}.synonyms: wanted an object of texts, found {_found(synonyms)}")
    return {"values": values, "synonyms": synonyms}


def _found(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
