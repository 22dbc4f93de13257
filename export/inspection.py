"""What a checkpoint is and what it would become, without writing anything."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sottovoce.errors import ModelNotFoundError, SottovoceError
from sottovoce.export import importers, spec_bert
from sottovoce.export.import_options import ImportOptions
from sottovoce.export.importers import auto_tiny_bert
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.source import Source
from sottovoce.export.packing import PANEL_ROWS, Q1_BLOCK, Q2_BLOCK, Q8_BLOCK
from sottovoce.export.spec import Entry, Spec
from sottovoce.export.writers.gguf import ALIGNMENT

_BLOCK_BYTES = 64


@dataclass
class Inspection:
    """The answer; `problems` keep the checkpoint from being read, `obstacles` from being an artifact that runs."""

    path: str
    family: str = "unknown"
    reason: str = ""
    files: dict[str, int] = field(default_factory=dict)  # name -> bytes
    tensors: dict[str, list[int]] = field(default_factory=dict)  # stored name -> shape
    parameters: int = 0  # of the model itself, without what inference drops
    network: dict[str, Any] = field(default_factory=dict)  # the sizes, by the metadata's names
    labels: dict[str, list[str]] = field(default_factory=dict)
    trained_weights: dict[str, str] = field(default_factory=dict)  # family -> kind
    artifact: str = ""  # its architecture
    artifact_bytes: dict[str, int] = field(default_factory=dict)  # weights -> about how many bytes
    notes: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def inspect(name_or_path: str | os.PathLike[str], options: ImportOptions | None = None) -> Inspection:
    """Look at a checkpoint.

    Raises:
        ModelNotFoundError: there is nothing of that name. Whatever is wrong with it otherwise is told in `problems`.
    """
    path = Path(name_or_path)
    if path.is_file() and path.suffix == ".gguf":
        size = path.stat().st_size
        told = "it is an artifact already; `sottovoce info` describes it"
        return Inspection(str(path), "artifact", "its name ends in .gguf", {path.name: size}, problems=[told])
    source = importers.open_source(name_or_path, options)
    report = Inspection(str(source))
    try:
        report.files = _files(source)
        found = _recognize(source, report)
        report.tensors = {name: list(array.shape) for name, array in source.tensors.items()}
        if found:
            _describe(report, importers.read(source))
    except SottovoceError as error:
        report.problems.append(str(error))
    return report


def _files(source: Source) -> dict[str, int]:
    names = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
    beside = [source.config_path, *(source.directory / name for name in names)]
    paths = [*source.tensor_paths, *(path for path in beside if path is not None and path.exists())]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise ModelNotFoundError(f"{', '.join(missing)}: no such file, though the index names it")
    return {path.name: path.stat().st_size for path in paths}


def _recognize(source: Source, report: Inspection) -> bool:
    """Fill in the family; False when the checkpoint cannot be read any further."""
    if source.config_path is None and source.options.num_heads is None:
        report.reason = auto_tiny_bert.recognize(source)
        report.family = auto_tiny_bert.FAMILY if report.reason else report.family
        widths = {
            array.shape[0] for name, array in source.tensors.items() if name.endswith("attention.self.query.weight")
        }
        wanted = "no config.json: wanted --heads"
        if widths:
            width = min(widths)
            counts = [str(heads) for heads in range(1, width + 1) if width % heads == 0 and 8 <= width // heads <= 128]
            wanted += f", of which {', '.join(counts)} divide the width {width}"
        report.problems.append(wanted)
        return False
    found = importers.recognize(source)
    report.family, report.reason = found.family, found.reason
    return True


def _describe(report: Inspection, imported: Imported) -> None:
    spec = imported.spec
    report.parameters = sum(math.prod(shape) for shape in spec.shapes().values() if shape)
    report.network = {
        key: value
        for key, value in spec.metadata.items()
        if not key.endswith(".labels") and not key.startswith("intent.") and value != []
    }
    report.labels = {head: spec.metadata.get(f"{head}.labels") or [] for head in ("intent", "slot")}
    report.trained_weights = dict(spec.weights)
    report.notes = list(imported.notes)
    if spec.architecture != spec_bert.ARCHITECTURE:
        report.obstacles.append(f"{spec.architecture} serves as a teacher only; it has no artifact")
        return
    report.artifact = spec.architecture
    if not report.labels["intent"]:
        report.obstacles.append("it has no intent head; fine-tune it with `sottovoce-export train nlu`")
    report.artifact_bytes = artifact_sizes(spec)


def artifact_sizes(spec: Spec) -> dict[str, int]:
    """Return about how many bytes an artifact has, by how its weights are stored: "as trained" and every `--weights`."""
    choices: dict[str, Mapping[str, str]] = {"as trained": spec.weights}
    if "split" not in spec.weights.values():
        choices |= spec_bert.WEIGHTS_BY_NAME
    return {name: _artifact_bytes(spec, kinds) for name, kinds in choices.items()}


def _artifact_bytes(spec: Spec, kinds: Mapping[str, str]) -> int:
    header = 1200 + sum(
        len(label.encode()) + 8 for head in ("intent", "slot") for label in spec.metadata[f"{head}.labels"]
    )
    total = 0
    for entry in spec.entries():
        for name, size in _stored(entry, kinds.get(entry.family, "f32"), spec):
            total += -(-size // ALIGNMENT) * ALIGNMENT
            header += 2 * len(name) + 60  # its description, and its name and checksum in the metadata
    return header + total


def _stored(entry: Entry, kind: str, spec: Spec) -> list[tuple[str, int]]:
    """The tensors of an entry in the file, (name, bytes)."""
    if entry.kind == "bytes":
        return [(entry.name, spec.arrays[entry.name].nbytes)]
    if entry.kind == "vector":
        return [(entry.name, 4 * math.prod(entry.shape))]
    rows, cols = entry.shape
    halves = 2 if kind == "split" else 1
    if kind == "f32":
        weights = [(f"{entry.name}.weight.f32", 4 * rows * cols)]
    else:
        size = _panels(rows, cols, kind) if entry.kind == "product" else _rows(rows, cols, kind)
        weights = [(f"{entry.name}.weight.q2p16x4", size), (f"{entry.name}.weight.scale", 2 * rows)] * halves
    return weights + ([(f"{entry.name}.bias", 4 * rows)] if entry.kind == "product" and entry.bias else [])


def _panels(rows: int, cols: int, kind: str) -> int:
    block = {"int8": Q8_BLOCK, "ternary": Q2_BLOCK, "binary": Q1_BLOCK, "split": Q1_BLOCK}[kind]
    return -(-rows // PANEL_ROWS) * -(-cols // block) * _BLOCK_BYTES


def _rows(rows: int, cols: int, kind: str) -> int:
    bits = {"int8": 8, "ternary": 2, "binary": 1, "split": 1}[kind]
    return rows * -(-cols * bits // 8)
