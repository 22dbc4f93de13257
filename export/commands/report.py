"""Compare intent parsers: size, accuracy and latency as a Markdown table and a picture (SVG and PNG).

SOURCE is an artifact, a bundled name, or a directory that is searched for artifacts. Of an adaptive model every width and every
depth has a row. Accuracy is that of the C++ runtime on --data; latency is the median of parser.parse at 16 word pieces on one
thread, the models in turn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sottovoce.export.train_options import positive

COMMAND = ("report",)
HELP = "size, accuracy and latency of several models, as a table and a picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("sources", nargs="+", metavar="SOURCE", help="artifact, bundled name or directory")
    add("--data", type=Path, metavar="DATA", help="labelled utterances of the models' task; without them no accuracy")
    add("--split", default="test", help="which split of the data (default: test)")
    add("--runs", type=positive, default=200, metavar="N", help="calls that are timed, of every model (default: 200)")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="STEM",
        help="write STEM.md, STEM.svg and STEM.png (default: print the table)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print the table, write it and the picture."""
    from sottovoce.export.compression_report import draw, find_artifacts, measure, open_rows, table
    from sottovoce.export.data import read_split

    rows = open_rows(find_artifacts(options.sources))
    utterances = read_split(str(options.data), options.split) if options.data else []
    measure(rows, utterances, options.runs)
    text = table(rows)
    print(text, end="")
    if options.output:
        written = draw(rows, options.output)
        markdown = options.output.with_suffix(".md")
        markdown.write_text(text, encoding="utf-8")
        print("\n".join(map(str, [markdown, *written])))
    return 0
