"""--config of the training commands: a YAML file whose settings are named as the flags are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sottovoce.errors import DataError, InvalidInputError


def read_config(path: Path) -> dict[str, Any]:
    """Settings of a YAML file, dashes in names for underscores. Raises OSError, or DataError when it is not a mapping."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise DataError(f"{path}: wanted settings, `name: value`, found {type(values).__name__}")
    return {str(name).replace("_", "-"): value for name, value in values.items()}


def expand(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """The arguments of a command with those of its --config files before them, so that the command line overrides.

    Raises InvalidInputError for a setting that is no flag of the command, and as `read_config`.
    """
    actions = {_name(action): action for action in parser._actions}
    if "config" not in actions or actions["config"].dest != "yaml_config":
        return list(words)
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config", action="append", default=[], type=Path)
    found, rest = finder.parse_known_args(words)
    positional: list[str] = []
    flags: list[str] = []
    for path in found.config:
        for name, value in read_config(path).items():
            if name not in actions or name in ("config", "help"):
                known = ", ".join(sorted(set(actions) - {"config", "help"}))
                raise InvalidInputError(f"{path}: unknown setting {name!r}; wanted one of {known}")
            (flags if actions[name].option_strings else positional).extend(_words(actions[name], value))
    return [*positional, *flags, *rest]


def _name(action: argparse.Action) -> str:
    long = next((option for option in action.option_strings if option.startswith("--")), action.dest)
    return long.removeprefix("--").replace("_", "-")


def _words(action: argparse.Action, value: Any) -> list[str]:
    """One setting as words of a command line."""
    if not action.option_strings:
        return [str(value)]
    flag = action.option_strings[-1]
    if action.nargs == 0:  # a switch
        return [flag] if value else []
    values = [str(each) for each in (value if isinstance(value, list) else [value])]
    if action.nargs == "+":
        return [flag, *values]
    return [word for each in values for word in (f"{flag}={each}",)]
