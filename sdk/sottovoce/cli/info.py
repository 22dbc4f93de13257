"""`sottovoce info` and `sottovoce models`: what a file holds, and which models the package carries."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `info` and `models`."""
    info = commands.add_parser(
        "info",
        help="what an artifact holds",
        description="Print the metadata and tensors of FILE, a path or the name of a bundled model.",
    )
    info.add_argument("file", metavar="FILE")
    info.add_argument("--verify", action="store_true", help="check the SHA-256 over all tensors, too")
    info.add_argument("--json", action="store_true", help="print one JSON object")
    info.set_defaults(run=run_info)
    models = commands.add_parser(
        "models", help="the bundled models", description="List the bundled models and assistants."
    )
    models.set_defaults(run=run_models)


def _shorten(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def run_info(options: argparse.Namespace) -> int:
    """Print one artifact."""
    from sottovoce.artifact import Artifact
    from sottovoce.models import resolve

    path = resolve(options.file)
    artifact = Artifact.open(path)
    if options.verify:
        artifact.verify()
    size = os.path.getsize(path)
    if options.json:
        tensors = [tensor._asdict() for tensor in artifact.tensors]
        document = {"file": path, "bytes": size, "metadata": artifact.metadata, "tensors": tensors}
        print(json.dumps(document | {"verified": options.verify}, ensure_ascii=False))
        return 0
    print(f"{path}: {artifact.architecture}, {size / 1e6:.2f} MB{', SHA-256 verified' if options.verify else ''}")
    print("\nmetadata")
    for key, value in sorted(artifact.metadata.items()):
        print(f"  {key:36} {_shorten(value)}")
    print("\ntensors")
    for tensor in artifact.tensors:
        print(f"  {tensor.name:44} {tensor.type:4} {'x'.join(map(str, tensor.shape)):>14} {tensor.bytes:>10} bytes")
    return 0


def run_models(options: argparse.Namespace) -> int:
    """Print the bundled models and assistants, one a line."""
    from sottovoce.artifact import Artifact
    from sottovoce.assistant_bundle import open_bundle
    from sottovoce.models import bundled, bundled_assistants

    for name, path in bundled().items():
        metadata = Artifact.open(path).metadata
        size = os.path.getsize(path) / 1e6
        print(f"{name:16} {metadata['general.architecture']:28} {size:5.2f} MB  {metadata['general.license']}")
    for name, folder in bundled_assistants().items():
        size = sum(entry.stat().st_size for entry in os.scandir(folder)) / 1e6
        print(f"{name:16} {'assistant':28} {size:5.2f} MB  {open_bundle(folder).licence}")
    return 0
