"""Make an assistant from a list of intents: sentences, speech by many voices, an adapted recognizer, a parser, a bundle.

INTENTS is a YAML file of templates with slots (docs/assistants.md) or Rasa NLU training data. OUT gets a folder a stage and the
assistant in OUT/bundle. Run the same command again after a kill: what is done is kept. The work takes --minutes at most, by the
clock: synthesis stops after a third of them, adaptation takes just under a half.

Voices as of `sottovoce-export synthesize --help`. --general names speech on other matters (manifests as of `train asr`), so
that the recognizer keeps what it knows and the parser learns what is out of scope.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import cast

from sottovoce.errors import InvalidInputError

COMMAND = ("train", "assistant")
HELP = "an assistant from a list of intents"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("intents", type=Path, metavar="INTENTS", help="YAML file")
    add("--out", required=True, type=Path, metavar="DIR", help="output folder")
    add("--name", help="name of the assistant (default: the one in the file)")
    add(
        "--base",
        default="en-small",
        metavar="MODEL",
        help="recognizer to adapt: checkpoint.pt, artifact or bundled name",
    )
    add(
        "--parser-base",
        default="snips-en",
        metavar="MODEL",
        help="parser to start from: checkpoint folder, artifact or name",
    )
    add("--minutes", type=float, default=55.0, metavar="N", help="time for all of it (default: 55)")
    add(
        "--engine",
        action="append",
        metavar="NAME=MINUTES",
        help="speech by a synthesizer, in minutes (default: flite=12 festival=18 piper=20 kokoro=60)",
    )
    add("--kokoro", type=Path, metavar="DIR", help="folder with the voices of Kokoro-82M")
    add("--noise", action="append", default=[], metavar="PATH[:SPLIT]", help="recordings of noise to mix in")
    add("--rooms", metavar="NPZ", help="impulse responses: an array (rooms, samples), 16 kHz")
    add("--general", action="append", default=[], metavar="PATH[:SPLIT][*WEIGHT]", help="speech on other matters")
    add(
        "--attribution",
        type=Path,
        metavar="JSON",
        help="file with a list of sources and licences to name beside the voices'",
    )
    add("--cache", type=Path, metavar="DIR", help="folder of cached features (default: OUT/adapt/cache)")
    add("--audio-hours", type=float, metavar="H", help="audio to adapt on at most (default: 16)")
    add("--learning-rate", type=float, metavar="R", help="of the adaptation (default: 0.0005)")
    add("--bfloat16", action="store_true", help="adapt in bfloat16: faster where the CPU has it")
    add("--boost", type=float, default=1.0, help="of the slot values, as biasing phrases (default: 1)")
    add("--workers", type=int, default=1, help="processes that synthesize (default: 1)")
    add("--threads", type=int, default=1, help="of training (default: 1)")
    add("--seed", type=int, default=1)


def run(options: argparse.Namespace) -> int:
    """Train with a progress bar."""
    import torch
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from sottovoce.export.json_file import read_json
    from sottovoce.export.synthesis.voices import ENGINES, Engine
    from sottovoce.export.train.asr.command import load_noises, load_rooms
    from sottovoce.export.train.asr.manifest import Source
    from sottovoce.export.train.asr.perturbation import Surroundings
    from sottovoce.export.train.assistant.adapt import AdaptSettings
    from sottovoce.export.train.assistant.intents import load_domain
    from sottovoce.export.train.assistant.pipeline import AssistantSettings, train_assistant
    from sottovoce.export.train.assistant.speech import MINUTES

    engines = dict(MINUTES)
    if options.engine:
        engines = {cast(Engine, name): minutes for name, minutes in map(_engine, options.engine)}
    unknown = sorted(set(engines) - set(ENGINES))
    if unknown:
        raise InvalidInputError(f"--engine {unknown[0]}: wanted one of {', '.join(ENGINES)}")
    domain = load_domain(options.intents)
    if options.name:
        domain.name = options.name
    torch.set_num_threads(options.threads)
    given = {"audio_hours": options.audio_hours, "learning_rate": options.learning_rate}
    adapt = dataclasses.replace(
        AdaptSettings(bfloat16=options.bfloat16), **{key: value for key, value in given.items() if value is not None}
    )
    settings = AssistantSettings(
        minutes=options.minutes,
        engines=engines,
        kokoro=options.kokoro,
        workers=options.workers,
        seed=options.seed,
        adapt=adapt,
        biasing_boost=options.boost,
        attribution=read_json(options.attribution, list) if options.attribution else (),
    )
    around = Surroundings(load_noises(options.noise), load_rooms(options.rooms) if options.rooms else ())
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task(domain.name, total=1.0)
        bundle = train_assistant(
            domain,
            options.base,
            options.parser_base,
            options.out,
            settings=settings,
            around=around,
            general=[Source.parse(text) for text in options.general],
            cache=options.cache,
            report=lambda what, share: bar.update(task, description=what, completed=share),
        )
    print(f"{bundle}: {sum(path.stat().st_size for path in bundle.iterdir()) / 1e6:.2f} MB")
    return 0


def _engine(text: str) -> tuple[str, float]:
    name, _, minutes = text.partition("=")
    try:
        return name, float(minutes)
    except ValueError:
        raise InvalidInputError(f"--engine {text!r}: wanted NAME=MINUTES") from None
