"""Error rates and timing of a recogniser: the shipped runtime as it streams, or the torch reference."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jiwer

from sottovoce.errors import InvalidInputError
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.synthesis.spoken_form import spoken_form
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Floats, Source, Utterance, load_audio, read_manifest

CHUNK = SAMPLE_RATE * 8 // 100  # samples pushed at a time: 80 ms


@dataclass(frozen=True)
class Heard:
    """What a recogniser made of a clip. Times are CPU seconds of the calling thread, in which the runtime computes."""

    text: str
    seconds: float  # of computing, all of it
    finish_seconds: float = 0.0  # of computing after the last sample
    partials: tuple[str, ...] = ()  # non-empty ones, before the end
    first_partial: float | None = None  # seconds of audio from the first word's start to the first partial


Recognize = Callable[[Floats], Heard]  # of 16 kHz samples
Hypothesis = tuple[str, str, str]  # id, transcript, recognised


@dataclass(frozen=True)
class AsrReport:
    """Rates in percent; the real-time factor is computing time by duration; the last four are of streaming only."""

    word_error_rate: float
    character_error_rate: float
    sentences_right: float
    substitutions: int
    deletions: int
    insertions: int
    words: int
    utterances: int
    seconds: float
    real_time_factor: float
    first_partial_seconds: float  # median; of audio, from the start of the first word
    finish_milliseconds: float  # median; of computing after the last sample
    revokes_per_second: float  # partials that take words back, a second of audio
    partial_share: float  # clips with a partial before the end, in percent

    def to_dict(self) -> dict[str, Any]:
        """Return rounded values by name."""
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


def runtime_recognizer(model: str, stream_options: Mapping[str, Any] | None = None) -> Recognize:
    """Return the C++ runtime on an artifact or a bundled model, fed CHUNK samples at a time.

    stream_options: of `Recognizer.stream`. Raises what `Recognizer.from_pretrained` raises.
    """
    from sottovoce import PartialEvent, Recognizer

    recognizer = Recognizer.from_pretrained(model)

    def hear(samples: Floats) -> Heard:
        partials: list[str] = []
        first = 0.0
        began = time.thread_time()
        stream = recognizer.stream(**stream_options or {})
        for start in range(0, len(samples), CHUNK):
            for event in stream.push(samples[start : start + CHUNK], SAMPLE_RATE):
                if isinstance(event, PartialEvent):
                    first = first or min(start + CHUNK, len(samples)) / SAMPLE_RATE
                    partials.append(event.text)
        pushed = time.thread_time()
        result = stream.finish()
        ended = time.thread_time()
        spoken = first - result.words[0].start if partials and result.words else None
        return Heard(result.text, ended - began, ended - pushed, tuple(partials), spoken)

    return hear


def reference_recognizer(checkpoint: Path, weights: WeightKind) -> Recognize:
    """Return the torch reference on a checkpoint, in float or with fake-quantized arithmetic; it does not stream."""
    import torch

    from sottovoce.audio import Fbank
    from sottovoce.export.train.asr.checkpoint import Checkpoint
    from sottovoce.export.train.asr.decoding import transcribe_features

    loaded = Checkpoint.load(checkpoint)
    model, pieces, fbank = loaded.model(), loaded.pieces(), Fbank(loaded.feature_preset)
    model.set_weights(weights)

    def hear(samples: Floats) -> Heard:
        began = time.thread_time()
        text = pieces.decode(transcribe_features(model, torch.from_numpy(fbank.compute(samples))))
        return Heard(text, time.thread_time() - began)

    return hear


def utterances_of(manifest: str) -> list[Utterance]:
    """Return the utterances of a manifest (PATH[:SPLIT]) or of a folder of WAV files with transcripts beside them."""
    folder = Path(manifest)
    if folder.is_dir() and not (folder / "manifest.tsv").exists():
        pairs = [(wav, wav.with_suffix(".txt")) for wav in sorted(folder.glob("*.wav"))]
        found = [
            Utterance(wav.stem, "unknown", " ".join(text.read_text(encoding="utf-8").split()), wav)
            for wav, text in pairs
            if text.exists()
        ]
        if not found:
            raise InvalidInputError(f"{folder}: wanted a manifest.tsv, or NAME.wav files with NAME.txt beside them")
        return found
    source = Source.parse(manifest)
    return [u for u in read_manifest(source.path, source.split) if u.text]


def evaluate_manifest(manifest: str, recognize: Recognize, limit: int = 0) -> tuple[AsrReport, list[Hypothesis]]:
    """Recognise a manifest's recordings and compare, both sides in spoken form (lower case, no punctuation)."""
    utterances = utterances_of(manifest)[: limit or None]
    hypotheses: list[Hypothesis] = []
    clips: list[Heard] = []
    samples_heard = 0
    for utterance, samples in zip(utterances, load_audio(utterances), strict=True):
        clips.append(recognize(samples))
        samples_heard += len(samples)
        text = spoken_form(utterance.text) or utterance.text
        hypotheses.append((utterance.identity, text, spoken_form(clips[-1].text) or ""))
    return _report(hypotheses, clips, samples_heard / SAMPLE_RATE), hypotheses


def _report(hypotheses: Sequence[Hypothesis], clips: Sequence[Heard], seconds: float) -> AsrReport:
    references, said = [text for _, text, _ in hypotheses], [heard for _, _, heard in hypotheses]
    words = jiwer.process_words(references, said)
    latencies = [clip.first_partial for clip in clips if clip.first_partial is not None]
    return AsrReport(
        word_error_rate=100.0 * words.wer,
        character_error_rate=100.0 * float(jiwer.cer(references, said)),
        sentences_right=100.0 * sum(a == b for a, b in zip(references, said, strict=True)) / len(clips),
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        words=words.hits + words.substitutions + words.deletions,
        utterances=len(clips),
        seconds=seconds,
        real_time_factor=sum(clip.seconds for clip in clips) / seconds if seconds else 0.0,
        first_partial_seconds=statistics.median(latencies) if latencies else 0.0,
        finish_milliseconds=1000 * statistics.median(clip.finish_seconds for clip in clips),
        revokes_per_second=sum(revokes(clip.partials) for clip in clips) / seconds if seconds else 0.0,
        partial_share=100.0 * sum(bool(clip.partials) for clip in clips) / len(clips),
    )


def revokes(partials: Sequence[str]) -> int:
    """Return how many of the partials are not a continuation, letter by letter, of the one before."""
    return sum(not after.startswith(before) for before, after in itertools.pairwise(partials))
