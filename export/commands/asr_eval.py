"""Measure speech recognisers on recordings with transcripts, by the C++ runtime as it streams, 80 ms at a time, one thread:
word and character error rates, real-time factor, latencies.

MODEL is an artifact, a bundled name or a checkpoint.pt, which is stored as --weights say (by default as it was trained) and
run so: the float model beside the quantized ones is `eval asr F32/checkpoint.pt TERNARY/checkpoint.pt`, or with --weights f32
int8. --manifest may be given several times; a folder of NAME.wav files with NAME.txt beside them will do as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sottovoce.cli.listener import add_search_options, search_options

if TYPE_CHECKING:
    from sottovoce.export.train.asr.evaluation import AsrReport, Recognize

COMMAND = ("eval", "asr")
HELP = "a speech recogniser"
WEIGHTS = ("f32", "int8", "ternary")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", nargs="+", metavar="MODEL", help="artifact, bundled name or checkpoint.pt")
    parser.add_argument(
        "--manifest", action="append", required=True, metavar="TSV[:SPLIT]", help="recordings and transcripts"
    )
    parser.add_argument(
        "--weights", nargs="+", choices=WEIGHTS, metavar="KIND", help="f32, int8, ternary: how to store a checkpoint"
    )
    parser.add_argument("--reference", choices=WEIGHTS, help="run a checkpoint by the torch reference, so computed")
    add_search_options(parser)
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only the first N recordings of each manifest"
    )
    parser.add_argument(
        "--hypotheses", metavar="FILE", help="write id, transcript and what was recognised, tab-separated"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object a model: its list `sets`")


def run(options: argparse.Namespace) -> int:
    """Evaluate and print."""
    from sottovoce.export.train.asr.evaluation import evaluate_manifest

    lines = []
    for name, recognize in _recognizers(options):
        reports = []
        for manifest in options.manifest:
            report, hypotheses = evaluate_manifest(manifest, recognize, options.limit)
            reports.append({"manifest": manifest} | report.to_dict())
            lines += [f"{identity}\t{text}\t{said}\n" for identity, text, said in hypotheses]
            if not options.json:
                print(f"{name}, {manifest}: {_sentence(report, streaming=not options.reference)}", flush=True)
        if options.json:
            print(json.dumps({"model": name, "sets": reports}), flush=True)
    if options.hypotheses:
        Path(options.hypotheses).write_text("".join(lines), encoding="utf-8")
    return 0


def _recognizers(options: argparse.Namespace) -> Iterator[tuple[str, Recognize]]:
    """Yield every model under the name that reports give it; artifacts made of checkpoints live as long as their turn."""
    import tempfile

    from sottovoce.export.train.asr.checkpoint import Checkpoint
    from sottovoce.export.train.asr.evaluation import reference_recognizer, runtime_recognizer
    from sottovoce.export.train.asr.export import export_checkpoint

    stream = search_options(options)
    for model in options.model:
        if options.reference:
            yield model, reference_recognizer(Path(model), options.reference)
        elif not model.endswith(".pt"):
            yield model, runtime_recognizer(model, stream)
        else:
            trained = Checkpoint.load(Path(model)).settings.get("weights", "f32")
            for weights in options.weights or [trained]:
                with tempfile.TemporaryDirectory() as folder:
                    artifact = Path(folder) / f"{weights}.gguf"
                    size = export_checkpoint(Path(model), artifact, weights=weights, name=f"checkpoint-{weights}")
                    yield f"{model} as {weights} ({size / 1e6:.2f} MB)", runtime_recognizer(str(artifact), stream)


def _sentence(report: AsrReport, *, streaming: bool) -> str:
    text = (
        f"WER {report.word_error_rate:.2f} % ({report.substitutions} substitutions, {report.deletions} deletions, "
        f"{report.insertions} insertions of {report.words} words), CER {report.character_error_rate:.2f} %, "
        f"{report.sentences_right:.2f} % of {report.utterances} utterances right, "
        f"{report.seconds:.0f} s of audio at {report.real_time_factor:.4f} of real time"
    )
    if not streaming:
        return text
    return text + (
        f"; first partial {report.first_partial_seconds:.2f} s after the first word began, "
        f"{report.finish_milliseconds:.2f} ms from the last sample to the end, "
        f"{report.revokes_per_second:.3f} revokes a second, a partial before the end of {report.partial_share:.1f} %"
    )
