"""What a checkpoint does not say about itself and the user can."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sottovoce.errors import DataError, ModelNotFoundError


@dataclass(frozen=True)
class ImportOptions:
    """None means: as the checkpoint says."""

    num_heads: int | None = None  # attention heads, where config.json is missing
    vocabulary: Path | None = None  # vocab.txt from elsewhere
    lowercase: bool | None = None
    intent_labels: tuple[str, ...] | None = None
    slot_labels: tuple[str, ...] | None = None
    classifier_relu: bool | None = None  # the ReLU that TinyBERT has between pooler and classifier
    head: Literal["intent", "slot"] | None = None  # what a `classifier` is
    encoder_only: bool = False  # leave the heads out
    width: float = 1.0  # of a DynaBERT: share of heads and neurons
    depth: float = 1.0  # of a DynaBERT: share of layers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `ImportOptions`."""
    group = parser.add_argument_group("what the checkpoint does not say")
    group.add_argument("--heads", type=int, metavar="N", help="attention heads, for a directory without config.json")
    group.add_argument("--vocab", type=Path, metavar="FILE", help="vocab.txt, when it lies elsewhere")
    group.add_argument(
        "--lowercase", action=argparse.BooleanOptionalAction, default=None, help="whether text is lower-cased first"
    )
    group.add_argument("--intent-labels", type=Path, metavar="FILE", help="names of the intents, one a line")
    group.add_argument("--slot-labels", type=Path, metavar="FILE", help="slot tags (O, B-x, I-x), one a line")
    group.add_argument(
        "--classifier-relu",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether a ReLU stands before the classifier, as TinyBERT's code has it",
    )
    group.add_argument("--head", choices=["intent", "slot"], help="what a `classifier` is")
    group.add_argument("--encoder-only", action="store_true", help="leave the heads out")
    group.add_argument("--width", type=float, default=1.0, help="DynaBERT: share of heads and neurons (default: 1)")
    group.add_argument("--depth", type=float, default=1.0, help="DynaBERT: share of layers (default: 1)")


def from_arguments(parsed: argparse.Namespace) -> ImportOptions:
    """Return the options of parsed flags. ModelNotFoundError or DataError for a file of labels."""
    return ImportOptions(
        num_heads=parsed.heads,
        vocabulary=parsed.vocab,
        lowercase=parsed.lowercase,
        intent_labels=_read_labels(parsed.intent_labels),
        slot_labels=_read_labels(parsed.slot_labels),
        classifier_relu=parsed.classifier_relu,
        head=parsed.head,
        encoder_only=parsed.encoder_only,
        width=parsed.width,
        depth=parsed.depth,
    )


def _read_labels(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    if not path.is_file():
        raise ModelNotFoundError(f"{path}: no such file of labels")
    labels = tuple(path.read_text(encoding="utf-8").split("\n"))
    labels = labels[:-1] if labels[-1] == "" else labels
    if not labels or "" in labels or len(set(labels)) != len(labels):
        raise DataError(f"{path}: wanted labels, one a line, each once")
    return labels
