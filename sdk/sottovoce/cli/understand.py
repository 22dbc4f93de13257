"""`sottovoce understand`: a recording to transcript, intent and slots."""

from __future__ import annotations

import argparse

from sottovoce.cli.arguments import positive_int
from sottovoce.cli.listener import DEFAULT_RECOGNIZER, add_search_options, search_options
from sottovoce.cli.parse import DEFAULT_MODEL, format_parse, print_json
from sottovoce.errors import InvalidInputError


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `understand`."""
    parser = commands.add_parser(
        "understand",
        help="transcript, intent and slots of a recording",
        description="Print the transcript, the intent and the slots of a recording.",
    )
    parser.add_argument(
        "file", metavar="FILE", help="a recording of any sample rate: WAV; FLAC, OGG ... with soundfile"
    )
    parser.add_argument("--assistant", metavar="NAME", help="bundled name, folder or file of an assistant")
    parser.add_argument(
        "--recognizer", help=f"without an assistant: bundled name or file (default: {DEFAULT_RECOGNIZER})"
    )
    parser.add_argument("--model", help=f"of the parser, likewise: bundled name or file (default: {DEFAULT_MODEL})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--top-k", type=positive_int, default=1, metavar="N", help="how many intents (default: 1)")
    add_search_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Understand one file."""
    from sottovoce.assistant import Assistant
    from sottovoce.intent_parser import IntentParser
    from sottovoce.recognizer import Recognizer

    if options.assistant:
        if options.recognizer or options.model:
            raise InvalidInputError("--assistant: has a recognizer and a parser; wanted no --recognizer and no --model")
        assistant = Assistant.from_pretrained(options.assistant)
    else:
        assistant = Assistant(
            Recognizer.from_pretrained(options.recognizer or DEFAULT_RECOGNIZER),
            IntentParser.from_pretrained(options.model or DEFAULT_MODEL),
        )
    result = assistant.understand(options.file, top_k=options.top_k, **search_options(options))
    if options.json:
        print_json(result.to_dict())
    else:
        print(f"{'transcript':11} {result.text}")
        print(format_parse(result.parse, result.slots))
    return 0
