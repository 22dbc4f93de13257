"""`sottovoce understand`: a recording to transcript, intent and slots."""

from __future__ import annotations

import argparse

from sottovoce.cli.arguments import positive_int
from sottovoce.cli.parse import DEFAULT_MODEL, format_parse, print_json
from sottovoce.cli.transcribe import DEFAULT_RECOGNIZER


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `understand`."""
    parser = commands.add_parser(
        "understand",
        help="transcript, intent and slots of a recording",
        description="Print the transcript, the intent and the slots of a WAV file.",
    )
    parser.add_argument("file", metavar="FILE", help="a WAV file of any sample rate")
    parser.add_argument("--recognizer", default=DEFAULT_RECOGNIZER, help="bundled name or file (default: %(default)s)")
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="of the parser: bundled name or file (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--top-k", type=positive_int, default=1, metavar="N", help="how many intents (default: 1)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Understand one file."""
    from sottovoce.assistant import Assistant
    from sottovoce.intent_parser import IntentParser
    from sottovoce.recognizer import Recognizer

    recognizer = Recognizer.from_pretrained(options.recognizer)
    result = Assistant(recognizer, IntentParser.from_pretrained(options.model)).understand(
        options.file, top_k=options.top_k
    )
    if options.json:
        print_json(result.to_dict())
    else:
        print(f"{'transcript':11} {result.text}")
        print(format_parse(result.parse))
    return 0
