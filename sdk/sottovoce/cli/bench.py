"""`sottovoce bench nlu`: how fast this machine parses."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from sottovoce.cli.arguments import positive_int
from sottovoce.cli.parse import DEFAULT_MODEL

if TYPE_CHECKING:
    from sottovoce.intent_parser import IntentParser

_WORDS = "play some jazz by miles davis in the kitchen and then add it to my list for friday night please".split()


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench`."""
    bench = commands.add_parser("bench", help="measure speed on this machine", description="Measure speed.")
    kinds = bench.add_subparsers(dest="kind", required=True, metavar="KIND")
    nlu = kinds.add_parser(
        "nlu", help="parser.parse, one thread", description="Print the latency of IntentParser.parse, one thread."
    )
    nlu.add_argument("--model", default=DEFAULT_MODEL, help="bundled name or file (default: %(default)s)")
    nlu.add_argument("--runs", type=positive_int, default=500, metavar="N", help="calls per length (default: 500)")
    nlu.add_argument("--json", action="store_true", help="print one JSON object")
    nlu.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure utterances of 8, 16 and 32 pieces."""
    from sottovoce import _native
    from sottovoce.intent_parser import IntentParser

    parser = IntentParser.from_pretrained(options.model)
    rows = []
    for pieces in (8, 16, 32):
        text = utterance_of(parser, pieces)
        for _ in range(10):
            parser.parse(text)
        times = []
        for _ in range(options.runs):
            start = time.perf_counter_ns()
            parser.parse(text)
            times.append((time.perf_counter_ns() - start) / 1e3)
        times.sort()
        median, p95 = times[len(times) // 2], times[min(len(times) - 1, len(times) * 95 // 100)]
        rows.append({"pieces": pieces, "median_us": round(median, 1), "p95_us": round(p95, 1)})
    if options.json:
        print(json.dumps({"model": options.model, "isa": _native.active_isa(), "threads": 1, "rows": rows}))
        return 0
    print(f"{options.model}, {_native.active_isa()}, one thread, {options.runs} calls a row")
    for row in rows:
        print(f"  {row['pieces']:3} pieces   median {row['median_us']:8.1f} us   95 % {row['p95_us']:8.1f} us")
    return 0


def utterance_of(parser: IntentParser, pieces: int) -> str:
    """Return an utterance that the parser's tokenizer cuts into this many pieces, [CLS] and [SEP] included."""
    text, position = "", 0
    while len(parser.tokenizer.encode(text).ids) < pieces:
        text = f"{text} {_WORDS[position % len(_WORDS)]}".strip()
        position += 1
    while len(parser.tokenizer.encode(text).ids) > pieces:
        text = text[:-1].rstrip()
    return text
