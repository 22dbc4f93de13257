"""`sottovoce parse`: text to intent and slots."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sottovoce.cli.arguments import positive_int

if TYPE_CHECKING:
    from sottovoce.assistant import ResolvedSlot
    from sottovoce.intent_parser import ParseResult

DEFAULT_MODEL = "snips-en"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `parse`."""
    parser = commands.add_parser(
        "parse",
        help="intent and slots of a text",
        description="Print the intent and the slots of TEXT; without TEXT, of every line of standard input, one JSON "
        "object a line.",
    )
    parser.add_argument("text", nargs="?", metavar="TEXT", help="an utterance; leave it out to read standard input")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="bundled name or file (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--top-k", type=positive_int, default=1, metavar="N", help="how many intents (default: 1)")
    parser.set_defaults(run=run)


def format_parse(result: ParseResult, resolved: Sequence[ResolvedSlot] = ()) -> str:
    """Return the intents and slots for people to read, a line each; what was heard where the meant value differs."""
    lines = [
        f"{'intent' if rank == 0 else '':11} {intent.name}  {intent.score:.3f}"
        + ("  (out of scope)" if rank == 0 and result.out_of_scope else "")
        for rank, intent in enumerate(result.intents)
    ]
    meant = {slot.start: slot.resolved for slot in resolved}
    for slot in result.slots:
        value = meant.get(slot.start, slot.value)
        heard = "" if value == slot.value else f"  (heard {slot.value!r})"
        lines.append(f"{'slot':11} {slot.name} = {value!r}  {slot.score:.3f}{heard}")
    lines += [f"{'warning':11} {warning}" for warning in result.warnings]
    return "\n".join(lines)


def print_json(value: Any) -> None:
    """Print one JSON object on a line of its own, as soon as it is known."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def run(options: argparse.Namespace) -> int:
    """Parse one text, or the lines of standard input."""
    from sottovoce.intent_parser import IntentParser

    parser = IntentParser.from_pretrained(options.model)
    if options.text is None:
        # Bad bytes stay in the line as surrogates; the parser warns of them.
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        for line in sys.stdin:
            print_json(parser.parse(line.rstrip("\r\n"), top_k=options.top_k).to_dict())
        return 0
    result = parser.parse(options.text, top_k=options.top_k)
    if options.json:
        print_json(result.to_dict())
    else:
        print(format_parse(result))
    return 0
