"""Print intent accuracy, slot F1 (seqeval's) and exact match of a model on labelled utterances, in percent.

MODEL is an artifact or a bundled name, run by the C++ runtime; with --reference, one of these or a checkpoint directory, run by
the torch reference. An intent label `a#b` counts as right when either is predicted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sottovoce.errors import InvalidInputError

COMMAND = ("eval", "nlu")
HELP = "intents and slots"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="artifact, bundled name, or with --reference also a checkpoint directory"
    )
    parser.add_argument(
        "--data", required=True, metavar="PATH", help="data set: a file or a directory of any known format"
    )
    parser.add_argument("--split", default="test", help="which split of the data (default: test)")
    parser.add_argument("--reference", action="store_true", help="run it by the torch reference")
    parser.add_argument(
        "--compare",
        metavar="MODEL",
        help="also say on how many utterances the torch reference of this artifact, bundled name or checkpoint agrees",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Evaluate and print."""
    from sottovoce.export.data import read_split
    from sottovoce.export.nlu_evaluation import agreement, reference_decisions, runtime_decisions
    from sottovoce.export.nlu_metrics import evaluate_nlu

    utterances = read_split(options.data, options.split)
    if options.reference:
        decisions = reference_decisions(options.model, utterances)
    elif Path(options.model).is_dir():
        raise InvalidInputError(
            f"{options.model}: a checkpoint directory; add --reference, or convert it to an artifact"
        )
    else:
        decisions = runtime_decisions(options.model, utterances)
    gold = [(utterance.intent, utterance.tags) for utterance in utterances]
    report: dict[str, Any] = {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in evaluate_nlu(gold, decisions).to_dict().items()
    }
    if options.compare:
        report["agreement"] = round(agreement(decisions, reference_decisions(options.compare, utterances)), 3)
    if options.json:
        print(json.dumps(report))
    else:
        for key, value in report.items():
            print(f"{key.replace('_', ' '):16} {value:8.2f}" if isinstance(value, float) else f"{key:16} {value:5}")
    return 0
