"""The command line `sottovoce-export`: train, convert and evaluate models. Each command is a module of export/commands/."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from sottovoce._native import __version__
from sottovoce.errors import SottovoceError
from sottovoce.export import commands
from sottovoce.export.command_config import expand

_GROUPS = {"train": "train a model", "eval": "measure a model on labelled data"}


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def command_modules() -> list[ModuleType]:
    """Return the modules of export/commands/, by their `COMMAND`."""
    modules = [
        importlib.import_module(f"{commands.__name__}.{found.name}")
        for found in pkgutil.iter_modules(commands.__path__)
    ]
    return sorted((module for module in modules if hasattr(module, "COMMAND")), key=lambda module: module.COMMAND)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    return _build()[0]


def _build() -> tuple[argparse.ArgumentParser, dict[tuple[str, ...], argparse.ArgumentParser]]:
    """The parser of all commands, and that of each command by its words."""
    places: dict[tuple[str, ...], argparse.ArgumentParser] = {}
    parser = _Parser(
        prog="sottovoce-export",
        description="Train speech and language models, compress them, and write them for the Sottovoce runtime.",
        epilog="`sottovoce-export COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"sottovoce-export {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    groups: dict[str, Any] = {}
    for module in command_modules():
        place, name = verbs, module.COMMAND[-1]
        if len(module.COMMAND) == 2:
            verb = module.COMMAND[0]
            if verb not in groups:
                group = verbs.add_parser(verb, help=_GROUPS[verb], description=f"{_GROUPS[verb].capitalize()}.")
                groups[verb] = group.add_subparsers(required=True, metavar="KIND")
            place = groups[verb]
        command = place.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
        places[module.COMMAND] = command
    return parser, places


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake gives one line on standard error and status 2."""
    parser, places = _build()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        for command, place in places.items():
            if tuple(words[: len(command)]) == command:
                words = [*command, *expand(place, words[len(command) :])]
        options = parser.parse_args(words)
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: nothing more can be said
        return 0
    except (SottovoceError, OSError) as error:
        print(f"sottovoce-export: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sottovoce-export: interrupted; the same command resumes", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
