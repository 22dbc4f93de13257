"""`train assistant`: the stages from a list of intents to a bundle, each kept in a folder of its own.

OUT/speech    sentences spoken by many voices          OUT/adapt    the recognizer's checkpoint
OUT/heard     sentences as the recognizer hears them   OUT/parser   the parser's checkpoints
OUT/bundle    the assistant                          OUT/assistant.zip   the same as one file
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sottovoce.export import importers
from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.synthesis.spoken_form import spoken_form
from sottovoce.export.synthesis.voices import Engine
from sottovoce.export.train.asr.export import export_checkpoint
from sottovoce.export.train.asr.manifest import Floats, Source, load_audio, read_manifest
from sottovoce.export.train.asr.perturbation import Surroundings, perturb
from sottovoce.export.train.asr.recognizer_base import load_recognizer_base
from sottovoce.export.train.assistant.adapt import NOISY, AdaptSettings, adapt_recognizer
from sottovoce.export.train.assistant.bundle import biasing_phrases, write_bundle, write_single_file
from sottovoce.export.train.assistant.confusion import confused_utterances
from sottovoce.export.train.assistant.intents import Domain
from sottovoce.export.train.assistant.parser import ParserSettings, train_parser
from sottovoce.export.train.assistant.parser_base import load_parser_base
from sottovoce.export.train.assistant.speech import (
    BATCH_SENTENCES,
    MINUTES,
    attribution,
    batch_sources,
    speak_domain,
    spoken_sentences,
)
from sottovoce.export.train.nlu.checkpoint import Checkpoint
from sottovoce.export.writers import write_spec

# Of the minutes allowed: synthesis ends by the first share, adaptation takes the second; parser and bundle the rest.
SYNTHESIS_SHARE, ADAPTATION_SHARE = 0.35, 0.45
State = Callable[[str, float], None]


@dataclass(frozen=True)
class AssistantSettings:
    """Everything that decides the outcome, besides the list of intents and the bases."""

    minutes: float = 55.0
    engines: Mapping[Engine, float] = field(default_factory=lambda: dict(MINUTES))  # minutes of speech by engine
    kokoro: Path | None = None
    workers: int = 1
    seed: int = 1
    adapt: AdaptSettings = field(default_factory=AdaptSettings)
    parser: ParserSettings = field(default_factory=ParserSettings)
    clean_sentences: int = 1200  # that the parser learns from, beside the misheard ones
    heard_sentences: int = 1500  # spoken sentences that the adapted recognizer hears, with noise
    biasing_boost: float = 1.0
    batch_sentences: int = BATCH_SENTENCES  # of speech that is made, and kept, at a time
    attribution: Sequence[Any] = ()  # sources, and their licences, beside those of the base and of the voices


def train_assistant(
    domain: Domain,
    base: str,
    parser_base: str,
    out: Path,
    *,
    settings: AssistantSettings,
    around: Surroundings | None = None,
    general: Sequence[Source] = (),
    cache: Path | None = None,
    report: State | None = None,
) -> Path:
    """Run the stages that are not done and return the bundle's folder.

    Args:
        base: checkpoint.pt, artifact or bundled name of the recognizer to adapt.
        parser_base: checkpoint folder, artifact or bundled name of a parser.
        around: noise and rooms to mix in.
        general: manifests of general speech, so that the recognizer keeps what it knows.
        cache: folder of features, perhaps shared with other runs.
    Raises:
        SottovoceError: whatever a stage raises; finished stages stay.
    """
    tell = report or (lambda what, share: None)
    around = around or Surroundings()
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = load_recognizer_base(base)
    start = load_parser_base(parser_base)
    speech = speak_domain(
        domain,
        out / "speech",
        minutes=settings.engines,
        seed=settings.seed,
        workers=settings.workers,
        kokoro=settings.kokoro,
        batch_sentences=settings.batch_sentences,
        deadline=time.monotonic() + settings.minutes * 60 * SYNTHESIS_SHARE,
        report=lambda engine, made, wanted: tell(f"speech of {engine}, {made:.1f} minutes", min(1.0, made / wanted)),
    )
    adapted = adapt_recognizer(
        checkpoint,
        batch_sources(speech.parent),
        out / "adapt",
        general=general,
        around=around,
        cache=cache,
        settings=dataclasses.replace(settings.adapt, minutes=settings.minutes * ADAPTATION_SHARE, seed=settings.seed),
        report=report,
    )
    credits = [
        *checkpoint.settings.get("attribution", []),
        *settings.attribution,
        *attribution(out / "speech"),
        *({"name": text} for text in domain.attribution),
    ]
    recognizer = out / "recognizer.gguf"
    export_checkpoint(
        adapted,
        recognizer,
        weights="int8",
        name=f"{domain.name}-recognizer",
        license_id=domain.licence,
        attribution=credits,
    )
    heard = heard_utterances(domain, speech, recognizer, out, around, settings, tell)
    parser = make_parser(domain, start, heard, general_sentences(general), out, settings)
    folder = out / "bundle"
    write_bundle(
        folder,
        name=domain.name,
        recognizer=recognizer,
        parser=parser,
        biasing=biasing_phrases(domain, settings.biasing_boost),
        slots=slot_entries(domain),
        licence=domain.licence,
        attribution=credits,
    )
    write_single_file(folder, out / "assistant.zip")
    return folder


def slot_entries(domain: Domain) -> dict[str, dict[str, Any]]:
    """Return each slot's values and synonyms, as assistant.json lists them."""
    return {
        slot: {"values": values, "synonyms": domain.synonyms.get(slot, {})}
        for slot, values in domain.slot_values().items()
    }


def heard_utterances(
    domain: Domain,
    speech: Path,
    recognizer: Path,
    out: Path,
    around: Surroundings,
    settings: AssistantSettings,
    tell: State,
) -> list[Utterance]:
    """Return labelled transcripts of spoken sentences with noise, from OUT/heard.jsonl when it is there."""
    path = out / "heard.jsonl"
    if not path.exists():
        from sottovoce import Recognizer

        model = Recognizer.from_pretrained(recognizer)
        labels = {s.text: s for s in spoken_sentences(domain, speech.parent, settings.seed, settings.batch_sentences)}
        spoken = [u for u in read_manifest(speech) if u.text in labels]
        rng = np.random.default_rng([settings.seed, 77])
        chosen = [spoken[i] for i in sorted(rng.permutation(len(spoken))[: settings.heard_sentences].tolist())]

        def audio() -> Iterator[Floats]:
            for number, samples in enumerate(load_audio(chosen)):
                tell("what the recognizer hears", number / len(chosen))
                yield perturb(samples, around, NOISY, np.random.default_rng([settings.seed, 78, number]))

        found = confused_utterances([labels[u.text] for u in chosen], audio(), lambda x: model.transcribe(x).text)
        lines = [json.dumps([u.words, u.tags, u.intent]) + "\n" for u in found]
        temporary = path.with_suffix(".part")
        temporary.write_text("".join(lines), encoding="utf-8")
        temporary.replace(path)
    return [Utterance(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def general_sentences(general: Sequence[Source], limit: int = 1500) -> list[str]:
    """Return sentences of general manifests: what is said out of scope."""
    found: list[str] = []
    for source in general:
        found += [
            said
            for utterance in read_manifest(source.path, source.split)
            if (said := spoken_form(utterance.text)) and 2 <= len(said.split()) <= 16
        ]
    unique = sorted(set(found))
    order = np.random.default_rng(5).permutation(len(unique))[:limit]
    return [unique[i] for i in sorted(order.tolist())]


def make_parser(
    domain: Domain,
    start: Checkpoint,
    heard: Sequence[Utterance],
    outside: Sequence[str],
    out: Path,
    settings: AssistantSettings,
) -> Path:
    """Train the parser on clean and misheard sentences and return its artifact."""
    artifact = out / "parser.gguf"
    if artifact.exists():
        return artifact
    clean = domain.sentences(settings.clean_sentences, settings.seed + 1, distinct=True)
    known = [Utterance(list(s.words), list(s.tags), s.intent) for s in clean] + list(heard)
    outliers = sorted({*domain.out_of_scope, *outside, *BUILT_IN_OUTLIERS})
    train_parser(start, known, outliers, out / "parser", name=f"{domain.name}-parser", settings=settings.parser)
    imported = importers.load(out / "parser" / "ternary")
    write_spec(imported.spec, artifact, imported.provenance)
    return artifact


# So that a parser learns to say no even where no general speech is at hand.
BUILT_IN_OUTLIERS = (
    "what time is it",
    "how is the weather today",
    "turn off the lights in the kitchen",
    "play some music",
    "call my mother",
    "set an alarm for seven",
    "thank you very much",
    "i do not know what you mean",
    "where is the next bus stop",
    "tell me a joke",
    "hello how are you",
    "good morning",
    "open the window please",
    "yes that is right",
    "no not now",
    "stop it",
    "what is the capital of france",
    "remind me to buy stamps",
    "how far is it to the station",
    "send a message to john",
)
