"""What is done to a waveform before its features are cached: speed, silence around it, a room, noise, a telephone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional

Floats = npt.NDArray[np.float32]
SAMPLE_RATE = 16000  # Hz


@dataclass(frozen=True)
class PerturbationConfig:
    """Chances and ranges. Gain is left to training: in log-mel it is a constant."""

    speeds: tuple[float, ...] = (0.9, 1.0, 1.0, 1.1)
    silence_chance: float = 0.4
    silence_seconds: float = 0.4  # at most, at each end
    room_chance: float = 0.3  # a room response, where there are some
    hiss_chance: float = 0.15  # white noise
    noise_chance: float = 0.45  # a piece of a recording of noise, where there are some
    snr_low: float = 3.0  # dB
    snr_high: float = 30.0
    telephone_chance: float = 0.05  # 300 to 3400 Hz
    noise_by_duration: ClassVar[bool] = False  # every recording is as likely as any other


@dataclass(frozen=True)
class MultiCondition(PerturbationConfig):
    """SPIRAL's multi-condition recipe (Huang et al., ICLR 2022): noise alone, in half of the utterances, at 0 to 30 dB.

    Recordings of a second or more are drawn by their duration and joined until they are long enough.
    """

    speeds: tuple[float, ...] = (1.0,)
    silence_chance: float = 0.0
    room_chance: float = 0.0
    hiss_chance: float = 0.0
    noise_chance: float = 0.5
    snr_low: float = 0.0
    telephone_chance: float = 0.0
    noise_by_duration: ClassVar[bool] = True


PERTURBATIONS = {"default": PerturbationConfig(), "multi-condition": MultiCondition()}


@dataclass(frozen=True)
class Surroundings:
    """Recordings that `perturb` draws from, at 16 kHz."""

    noises: Sequence[Floats] = ()
    rooms: Sequence[Floats] = ()  # impulse responses


def change_speed(samples: Floats, speed: float) -> Floats:
    """Play faster (speed above 1) or slower, pitch and all (Ko et al., Interspeech 2015)."""
    if speed == 1.0:
        return samples
    ratio = Fraction(speed).limit_denominator(20)
    resampled = torchaudio.functional.resample(torch.from_numpy(samples), ratio.numerator, ratio.denominator)
    result: Floats = resampled.numpy()
    return result


def mix_noise(samples: Floats, noise: Floats, snr_db: float) -> Floats:
    """Add `noise` (as long as `samples`) so that signal to noise is `snr_db`; kept within +-1."""
    signal_power, noise_power = float(np.mean(samples**2)), float(np.mean(noise**2))
    if signal_power <= 0 or noise_power <= 0:
        return samples
    scale = np.sqrt(signal_power / noise_power / 10 ** (snr_db / 10))
    mixed: Floats = np.clip(samples + noise * np.float32(scale), -1.0, 1.0)
    return mixed


def cut_noise(noises: Sequence[Floats], length: int, rng: np.random.Generator) -> Floats:
    """Return `length` samples of one recording from a random place on, from its start again when it ends."""
    noise = noises[int(rng.integers(len(noises)))]
    start = int(rng.integers(len(noise)))
    piece: Floats = np.take(noise, np.arange(start, start + length), mode="wrap")
    return piece


def join_noises(noises: Sequence[Floats], length: int, rng: np.random.Generator) -> Floats:
    """Return `length` samples of recordings drawn by their duration, one after the other; those below a second never come."""
    durations = np.array([len(noise) if len(noise) >= SAMPLE_RATE else 0 for noise in noises], np.float64)
    if not durations.any():
        return np.zeros(length, np.float32)
    pieces: list[Floats] = []
    while sum(map(len, pieces)) < length:
        pieces.append(noises[int(rng.choice(len(noises), p=durations / durations.sum()))])
    return np.concatenate(pieces)[:length]


def add_room(samples: Floats, response: Floats) -> Floats:
    """Convolve with a room's impulse response; as long and as loud as before, not delayed."""
    direct = int(np.argmax(np.abs(response)))
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[direct : direct + len(samples)]
    energy = float(np.sum(wet**2))
    if energy <= 0:
        return samples
    scaled: Floats = np.clip(wet * np.sqrt(float(np.sum(samples**2)) / energy), -1.0, 1.0).astype(np.float32)
    return scaled


def through_telephone(samples: Floats) -> Floats:
    """Keep 300 to 3400 Hz."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(frequency < 300) | (frequency > 3400)] = 0
    result: Floats = np.fft.irfft(spectrum, len(samples)).astype(np.float32)
    return result


def draw_timing(config: PerturbationConfig, rng: np.random.Generator) -> tuple[float, int, int]:
    """Return the speed of a variant and the samples of silence before and after it: the first draws of `perturb`."""
    speed = float(rng.choice(config.speeds))
    if rng.random() >= config.silence_chance:
        return speed, 0, 0
    before, after = (rng.random(2) * config.silence_seconds * SAMPLE_RATE).astype(int)
    return speed, int(before), int(after)


def perturb(samples: Floats, around: Surroundings, config: PerturbationConfig, rng: np.random.Generator) -> Floats:
    """Return a random variant of `samples`; all draws come from `rng`."""
    speed, before, after = draw_timing(config, rng)
    samples = np.pad(change_speed(samples, speed), (before, after))
    if around.rooms and rng.random() < config.room_chance:
        samples = add_room(samples, around.rooms[int(rng.integers(len(around.rooms)))])
    snr = rng.uniform(config.snr_low, config.snr_high)
    kind = rng.random()
    if kind < config.hiss_chance:
        samples = mix_noise(samples, rng.standard_normal(len(samples)).astype(np.float32), snr)
    elif around.noises and kind < config.hiss_chance + config.noise_chance:
        draw = join_noises if config.noise_by_duration else cut_noise
        samples = mix_noise(samples, draw(around.noises, len(samples), rng), snr)
    if rng.random() < config.telephone_chance:
        samples = through_telephone(samples)
    return samples.astype(np.float32)
