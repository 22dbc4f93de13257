"""The command line `sottovoce`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from sottovoce._native import __version__
from sottovoce.cli import bench, info, listen, parse, serve, transcribe, understand
from sottovoce.errors import SottovoceError


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands; each module of this package adds its own."""
    parser = _Parser(
        prog="sottovoce",
        description="On-device speech and language understanding. Nothing leaves this machine.",
        epilog="`sottovoce COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"sottovoce {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (understand, transcribe, listen, parse, serve, info, bench):
        module.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake gives one line on standard error and status 2."""
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Ill-formed bytes of a text or of a file's name are printed as escapes, in JSON too.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except (SottovoceError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # The reader went away (`sottovoce parse ... | head`): not our error. What is still buffered goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"sottovoce: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
