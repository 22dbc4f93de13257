"""`sottovoce transcribe`: a recording to text."""

from __future__ import annotations

import argparse

from sottovoce.cli.parse import print_json

DEFAULT_RECOGNIZER = "en-micro"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `transcribe`."""
    parser = commands.add_parser(
        "transcribe", help="the text of a recording", description="Print the transcript of a WAV file."
    )
    parser.add_argument("file", metavar="FILE", help="a WAV file of any sample rate")
    parser.add_argument("--model", default=DEFAULT_RECOGNIZER, help="bundled name or file (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object with the words' times")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Transcribe one file."""
    from sottovoce.recognizer import Recognizer

    result = Recognizer.from_pretrained(options.model).transcribe(options.file)
    if options.json:
        print_json(result.to_dict())
    else:
        print(result.text)
    return 0
