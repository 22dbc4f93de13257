"""How many commands an assistant gets right: recordings with an intent and slot values, clean or with noise."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jiwer
import numpy as np

from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export.synthesis.spoken_form import spoken_form
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Floats, Source, Utterance, load_audio, read_manifest
from sottovoce.export.train.asr.perturbation import mix_noise

# 16 kHz samples to (transcript, intent, slots by name)
Understand = Callable[[Floats], tuple[str, str, Mapping[str, str]]]


@dataclass(frozen=True)
class Command:
    """A recording and what it asks for."""

    utterance: Utterance
    intent: str
    slots: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What an assistant made of a command."""

    command: Command
    text: str
    intent: str
    slots: Mapping[str, str]

    @property
    def right(self) -> bool:
        """The intent and every labelled slot, exactly."""
        wanted = self.command.slots
        return self.intent == self.command.intent and all(self.slots.get(name) == wanted[name] for name in wanted)

    @property
    def spurious(self) -> bool:
        """A slot that nobody asked for."""
        return not set(self.slots) <= set(self.command.slots)


@dataclass(frozen=True)
class AssistantReport:
    """Shares in percent."""

    commands_right: float  # intent and every labelled slot
    right_and_nothing_spurious: float
    spurious_slot: float  # commands with a slot that the label does not have
    intents_right: float
    slots_right: float  # labelled slots with exactly their value
    word_error_rate: float
    commands: int

    def to_dict(self) -> dict[str, Any]:
        """Return rounded values by name."""
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()}


def read_commands(manifest: str) -> list[Command]:
    """Read a manifest (PATH[:SPLIT]) whose column `meta` is JSON with "intent" and "slots": {name: value}.

    Raises:
        InvalidInputError: no such column. DataError: a row's JSON is something else, with its line.
        ModelNotFoundError: no such file.
    """
    source = Source.parse(manifest)
    utterances = read_manifest(source.path, source.split)
    with open(source.path, encoding="utf-8", newline="") as file:
        rows = [
            (line, row)
            for line, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 2)
            if not source.split or row.get("split") == source.split
        ]
    commands = []
    for utterance, (line, row) in zip(utterances, rows, strict=True):
        if "meta" not in row:
            raise InvalidInputError(
                f'manifest {source.path}: wanted a column meta with {{"intent": ..., "slots": ...}}'
            )
        try:
            meta = json.loads(row["meta"])
            slots = {str(name): _plain(str(value)) for name, value in meta["slots"].items()}
            commands.append(Command(utterance, str(meta["intent"]), slots))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise DataError(
                f'manifest {source.path}, line {line}: meta: wanted {{"intent": ..., "slots": {{...}}}}, '
                f"found {row['meta']!r}"
            ) from None
    return commands


def _plain(value: str) -> str:
    return " ".join(value.split())


def noisy_audio(
    commands: Sequence[Command], noises: Sequence[Floats] = (), snr_db: float = 0.0, seed: int = 1
) -> Iterator[Floats]:
    """Yield each recording's samples, with a piece of a noise at `snr_db` (over the whole recording) where there are noises.

    The piece follows from the seed and the place in the list alone.
    """
    for number, samples in enumerate(load_audio([command.utterance for command in commands])):
        if not noises:
            yield samples
            continue
        rng = np.random.default_rng([seed, number])
        noise = noises[int(rng.integers(len(noises)))]
        start = int(rng.integers(len(noise)))
        piece = np.take(noise, np.arange(start, start + len(samples)), mode="wrap")
        yield mix_noise(samples, piece, snr_db)


def evaluate_commands(
    commands: Sequence[Command],
    understand: Understand,
    *,
    noises: Sequence[Floats] = (),
    snr_db: float = 0.0,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
) -> tuple[AssistantReport, list[Outcome]]:
    """Understand every recording and compare. Raises InvalidInputError when there are no commands."""
    if not commands:
        raise InvalidInputError("eval assistant: no recordings")
    outcomes = []
    for number, (command, samples) in enumerate(
        zip(commands, noisy_audio(commands, noises, snr_db, seed), strict=True), 1
    ):
        text, intent, slots = understand(samples)
        outcomes.append(Outcome(command, text, intent, {name: _plain(value) for name, value in slots.items()}))
        if progress is not None:
            progress(number)
    return summarise(outcomes), outcomes


def summarise(outcomes: Sequence[Outcome]) -> AssistantReport:
    """Return the shares."""

    def share(hits: Sequence[bool]) -> float:
        return 100.0 * sum(hits) / len(hits) if hits else 100.0

    transcripts = [
        (spoken_form(o.command.utterance.text) or "", spoken_form(o.text) or "")
        for o in outcomes
        if o.command.utterance.text
    ]
    references, said = [r for r, _ in transcripts], [h for _, h in transcripts]
    return AssistantReport(
        share([o.right for o in outcomes]),
        share([o.right and not o.spurious for o in outcomes]),
        share([o.spurious for o in outcomes]),
        share([o.intent == o.command.intent for o in outcomes]),
        share([o.slots.get(name) == value for o in outcomes for name, value in o.command.slots.items()]),
        100.0 * float(jiwer.wer(references, said)) if references else 0.0,
        len(outcomes),
    )


def runtime_assistant(name_or_path: str, *, beam: int | None = None, biasing: bool = True) -> Understand:
    """Return the shipped runtime on a bundle, with slots resolved to declared values.

    Args:
        beam: hypotheses that the search keeps; None: the assistant's own.
        biasing: False leaves the bundle's phrases out.

    Raises:
        SottovoceError: as `Assistant.from_pretrained`.
    """
    from sottovoce import Assistant

    assistant = Assistant.from_pretrained(name_or_path)

    def understand(samples: Floats) -> tuple[str, str, Mapping[str, str]]:
        result = assistant.understand(samples, SAMPLE_RATE, beam=beam, biasing=None if biasing else ())
        return result.text, result.intent.name, {slot.name: slot.resolved for slot in result.slots}

    return understand
