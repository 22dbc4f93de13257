"""What the commands that hear share: which models, the search, phrases from a file."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from sottovoce.cli.arguments import positive_int
from sottovoce.errors import InputOutputError, InvalidInputError, ModelNotFoundError

if TYPE_CHECKING:
    from sottovoce.assistant import Assistant
    from sottovoce.recognizer import Recognizer

DEFAULT_RECOGNIZER = "en-small"


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add --model, --parser and --assistant."""
    parser.add_argument(
        "--model", metavar="NAME", help=f"recognizer, bundled name or file (default: {DEFAULT_RECOGNIZER})"
    )
    parser.add_argument("--parser", metavar="NAME", help="parser for intents, bundled name or file (default: none)")
    parser.add_argument("--assistant", metavar="NAME", help="both in one: bundled name, folder or file of an assistant")


def open_models(options: argparse.Namespace) -> Recognizer | Assistant:
    """Return what --model, --parser and --assistant ask for. Raises SottovoceError."""
    from sottovoce.assistant import Assistant
    from sottovoce.intent_parser import IntentParser
    from sottovoce.recognizer import Recognizer

    if options.assistant:
        if options.model or options.parser:
            raise InvalidInputError("--assistant: has a recognizer and a parser; wanted no --model and no --parser")
        return Assistant.from_pretrained(options.assistant)
    recognizer = Recognizer.from_pretrained(options.model or DEFAULT_RECOGNIZER)
    return Assistant(recognizer, IntentParser.from_pretrained(options.parser)) if options.parser else recognizer


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Add --beam, --bias and the weights of a language model."""
    parser.add_argument(
        "--beam",
        type=positive_int,
        metavar="N",
        help="hypotheses that the search keeps, 1 to 64 (default: the model's own)",
    )
    parser.add_argument(
        "--bias",
        metavar="FILE",
        help="phrases to expect, numbers as words, one a line, each with a tab and its boost if wanted",
    )
    parser.add_argument(
        "--lm-scale",
        type=float,
        metavar="S",
        help="how much the model's language model counts with a beam above 1; 0: not at all (default: as the model says)",
    )
    parser.add_argument(
        "--lm-bonus",
        type=float,
        metavar="B",
        help="log probability added for each symbol where it counts (default: as the model says)",
    )


def read_phrases(path: str | os.PathLike[str]) -> list[str | tuple[str, float]]:
    """Return a file's phrases: one a line, `PHRASE` or `PHRASE<tab>BOOST`; empty lines and those with # first do not count.

    Raises:
        ModelNotFoundError: no such file. InvalidInputError: no UTF-8, or a boost that is no number, with its line.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        raise ModelNotFoundError(f"{name}: no such file") from None
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{name}: wanted UTF-8: {error}") from None
    except OSError as error:
        raise InputOutputError(f"{name}: {error.strerror}") from None
    phrases: list[str | tuple[str, float]] = []
    for number, line in enumerate(lines, 1):
        phrase, tab, boost = line.partition("\t")
        if not phrase.strip() or phrase.startswith("#"):
            continue
        try:
            phrases.append((phrase.strip(), float(boost)) if tab else phrase.strip())
        except ValueError:
            raise InvalidInputError(f"{name}, line {number}: boost: wanted a number, found {boost!r}") from None
    return phrases


def search_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of a stream that the options of `add_search_options` ask for."""
    found: dict[str, Any] = {
        name: value for name in ("beam", "lm_scale", "lm_bonus") if (value := getattr(options, name)) is not None
    }
    if options.bias:
        found["biasing"] = read_phrases(options.bias)
    return found
