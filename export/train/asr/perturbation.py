"""What is done to a waveform before its features are cached: speed, silence around it, noise."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PerturbationConfig:
    """Chances and ranges. Gain is left to training: in log-mel it is a constant."""

    speeds: tuple[float, ...] = (0.9, 1.0, 1.0, 1.1)
    silence_chance: float = 0.4
    silence_seconds: float = 0.4  # at most, at each end
    hiss_chance: float = 0.3  # white noise
    noise_chance: float = 0.35  # a piece of a recording of noise, where there are some
    snr_low: float = 8.0  # dB
    snr_high: float = 30.0


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


def perturb(samples: Floats, noises: list[Floats], config: PerturbationConfig, rng: np.random.Generator) -> Floats:
    """Return a random variant of `samples`; all draws come from `rng`."""
    samples = change_speed(samples, float(rng.choice(config.speeds)))
    if rng.random() < config.silence_chance:
        edges = (rng.random(2) * config.silence_seconds * 16000).astype(int)
        samples = np.pad(samples, (int(edges[0]), int(edges[1])))
    snr = rng.uniform(config.snr_low, config.snr_high)
    kind = rng.random()
    if kind < config.hiss_chance:
        samples = mix_noise(samples, rng.standard_normal(len(samples)).astype(np.float32), snr)
    elif noises and kind < config.hiss_chance + config.noise_chance:
        noise = noises[int(rng.integers(len(noises)))]
        start = int(rng.integers(len(noise)))
        samples = mix_noise(samples, np.take(noise, np.arange(start, start + len(samples)), mode="wrap"), snr)
    return samples.astype(np.float32)
