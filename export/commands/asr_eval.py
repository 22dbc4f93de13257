"""Measure a speech recogniser on recordings with transcripts: word and character error rates, by the C++ runtime.

MODEL is an artifact or a bundled name; with --reference, a checkpoint.pt run by the torch reference. --manifest may be given
several times; a folder of NAME.wav files with NAME.txt beside them will do as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

COMMAND = ("eval", "asr")
HELP = "a speech recogniser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="artifact, bundled name, or with --reference a checkpoint.pt")
    parser.add_argument(
        "--manifest", action="append", required=True, metavar="TSV[:SPLIT]", help="recordings and transcripts"
    )
    parser.add_argument(
        "--reference", choices=["f32", "int8", "ternary"], help="run a checkpoint by the torch reference, so computed"
    )
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only the first N recordings of each manifest"
    )
    parser.add_argument(
        "--hypotheses", metavar="FILE", help="write id, transcript and what was recognised, tab-separated"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object: a list under `sets`")


def run(options: argparse.Namespace) -> int:
    """Evaluate and print."""
    from sottovoce.export.train.asr.evaluation import evaluate_manifest, reference_recognizer, runtime_recognizer

    if options.reference:
        recognize = reference_recognizer(Path(options.model), options.reference)
    else:
        recognize = runtime_recognizer(options.model)
    reports, lines = [], []
    for manifest in options.manifest:
        report, hypotheses = evaluate_manifest(manifest, recognize, options.limit)
        reports.append({"manifest": manifest} | report.to_dict())
        lines += [f"{identity}\t{text}\t{said}\n" for identity, text, said in hypotheses]
        if not options.json:
            print(
                f"{manifest}: WER {report.word_error_rate:.2f} %, CER {report.character_error_rate:.2f} %, "
                f"{report.sentences_right:.2f} % of {report.utterances} utterances right, "
                f"{report.seconds:.0f} s of audio at {report.real_time_factor:.4f} of real time"
            )
    if options.json:
        print(json.dumps({"model": str(options.model), "sets": reports}))
    if options.hypotheses:
        Path(options.hypotheses).write_text("".join(lines), encoding="utf-8")
    return 0
