"""Measure an assistant on recordings of commands: intent and every labelled slot exactly right, spurious slots, word errors.

--data is a TSV manifest, PATH[:SPLIT], whose column `meta` holds {"intent": NAME, "slots": {NAME: VALUE}} as JSON. With --noise
a piece of those recordings is added to each command, once for every --snr; what is added depends on --seed alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

COMMAND = ("eval", "assistant")
HELP = "an assistant, from speech to slots"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="folder, file or name of an assistant")
    add("--data", required=True, metavar="PATH[:SPLIT]", help="recordings of commands")
    add("--noise", action="append", default=[], metavar="PATH[:SPLIT]", help="recordings of noise to mix in")
    add("--snr", type=float, action="append", metavar="DB", help="signal to noise; may be repeated (default: 12)")
    add("--seed", type=int, default=1)
    add(
        "--beam", type=int, metavar="N", help="hypotheses that the search keeps, 1 to 64 (default: the assistant's own)"
    )
    add("--no-biasing", action="store_true", help="leave the assistant's phrases out")
    add("--limit", type=int, default=0, metavar="N", help="only the first N commands")
    add("--outcomes", metavar="FILE", help="write what was wanted and understood, one JSON object a line")
    add("--json", action="store_true", help="print one JSON object: a list under `sets`")


def run(options: argparse.Namespace) -> int:
    """Evaluate and print."""
    from rich.console import Console
    from rich.progress import Progress

    from sottovoce.export.train.asr.command import load_noises
    from sottovoce.export.train.assistant.evaluation import evaluate_commands, read_commands, runtime_assistant

    understand = runtime_assistant(options.bundle, beam=options.beam, biasing=not options.no_biasing)
    commands = read_commands(options.data)[: options.limit or None]
    noises = load_noises(options.noise)
    reports, lines = [], []
    for snr in (options.snr or [12.0]) if noises else [None]:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("clean" if snr is None else f"{snr:g} dB", total=len(commands))
            report, outcomes = evaluate_commands(
                commands,
                understand,
                noises=noises,
                snr_db=snr or 0.0,
                seed=options.seed,
                progress=lambda done, bar=bar, task=task: bar.update(task, completed=done),  # type: ignore[misc]
            )
        reports.append({"snr_db": snr} | report.to_dict())
        for o in outcomes:
            record = {
                "id": o.command.utterance.identity,
                "snr_db": snr,
                "right": o.right,
                "transcript": o.command.utterance.text,
                "heard": o.text,
                "wanted": dict(o.command.slots),
                "understood": dict(o.slots),
                "intent": o.intent,
            }
            lines.append(json.dumps(record) + "\n")
        if not options.json:
            print(
                f"{'clean' if snr is None else f'{snr:g} dB'}: {report.commands_right:.1f} % of {report.commands} commands "
                f"right (intent and every labelled slot), {report.spurious_slot:.1f} % with a spurious slot, "
                f"{report.slots_right:.1f} % of slots, intent {report.intents_right:.1f} %, "
                f"WER {report.word_error_rate:.1f} %"
            )
    if options.json:
        print(
            json.dumps({"assistant": str(options.bundle), "data": options.data, "seed": options.seed, "sets": reports})
        )
    if options.outcomes:
        Path(options.outcomes).write_text("".join(lines), encoding="utf-8")
    return 0
