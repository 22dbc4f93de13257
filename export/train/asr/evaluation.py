"""Error rates of a recogniser: the shipped runtime, or the torch reference."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jiwer

from sottovoce.errors import InvalidInputError
from sottovoce.export.compress.quantized_rows import WeightKind
from sottovoce.export.synthesis.spoken_form import spoken_form
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Floats, Source, Utterance, load_audio, read_manifest

Recognize = Callable[[Floats], str]  # 16 kHz samples to text
Hypothesis = tuple[str, str, str]  # id, transcript, recognised


@dataclass(frozen=True)
class AsrReport:
    """Rates in percent; the real-time factor is processing time by duration."""

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

    def to_dict(self) -> dict[str, Any]:
        """Return rounded values by name."""
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


def runtime_recognizer(model: str) -> Recognize:
    """Return the C++ runtime on an artifact or a bundled model. Raises what `Recognizer.from_pretrained` raises."""
    from sottovoce import Recognizer

    recognizer = Recognizer.from_pretrained(model)
    return lambda samples: str(recognizer.transcribe(samples, sample_rate=SAMPLE_RATE).text)


def reference_recognizer(checkpoint: Path, weights: WeightKind) -> Recognize:
    """Return the torch reference on a checkpoint, in float or with fake-quantized arithmetic."""
    import torch

    from sottovoce.audio import Fbank
    from sottovoce.export.train.asr.checkpoint import Checkpoint
    from sottovoce.export.train.asr.decoding import transcribe_features

    loaded = Checkpoint.load(checkpoint)
    model, pieces, fbank = loaded.model(), loaded.pieces(), Fbank(loaded.feature_preset)
    model.set_weights(weights)
    return lambda samples: pieces.decode(transcribe_features(model, torch.from_numpy(fbank.compute(samples))))


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
    spent, samples_heard = 0.0, 0
    for utterance, samples in zip(utterances, load_audio(utterances), strict=True):
        started = time.perf_counter()
        said = recognize(samples)
        spent += time.perf_counter() - started
        samples_heard += len(samples)
        text = spoken_form(utterance.text) or utterance.text
        hypotheses.append((utterance.identity, text, spoken_form(said) or ""))
    references, said_texts = [text for _, text, _ in hypotheses], [said for _, _, said in hypotheses]
    words = jiwer.process_words(references, said_texts)
    seconds = samples_heard / SAMPLE_RATE
    return AsrReport(
        100.0 * words.wer,
        100.0 * float(jiwer.cer(references, said_texts)),
        100.0 * sum(text == said for text, said in zip(references, said_texts, strict=True)) / len(hypotheses),
        words.substitutions,
        words.deletions,
        words.insertions,
        words.hits + words.substitutions + words.deletions,
        len(hypotheses),
        seconds,
        spent / seconds if seconds else 0.0,
    ), hypotheses
