"""A large encoder's features as a teacher: made window by window, stretched as the variants are, learned from."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError
from sottovoce.export import cli
from sottovoce.export.models.transducer import BlockConfig, PredictorConfig, TransducerConfig
from sottovoce.export.train.asr.config import RecipeConfig
from sottovoce.export.train.asr.encoder_teacher import EncoderTeacher
from sottovoce.export.train.asr.feature_cache import CachedCorpus, cache_features
from sottovoce.export.train.asr.manifest import Source, load_audio
from sottovoce.export.train.asr.perturbation import PerturbationConfig, Surroundings, perturb
from sottovoce.export.train.asr.recipe import Trainer
from sottovoce.export.train.asr.sampler import Item
from sottovoce.export.train.asr.whisper_features import FRAME, POOL, WINDOW, write_teacher_features

Floats = npt.NDArray[np.float32]
TINY = TransducerConfig(
    blocks=(BlockConfig(("conv2d:3,7,4,2,4,1", "conv2d:3,5,2,2,4,1", "conv1d:1,1,24,0"), 1, 24, 2, 12, 32, (6,)),),
    predictor=PredictorConfig(8, 16, 1, 2, 8, 16, (2,)),
    joiner_dim=16,
)
SECONDS = (0.5, 1.0, 0.83, 2.0)


def levels(samples: Floats) -> Floats:
    """Stand in for an encoder, whose features say where they come from: loudness, and the window's frame number."""
    frames = np.zeros(WINDOW, np.float32)
    frames[: len(samples)] = samples
    loud = np.sqrt((frames.reshape(-1, FRAME) ** 2).mean(1))
    return np.stack([loud, np.arange(len(loud)) / len(loud)], 1).astype(np.float32)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    folder = tmp_path / "speech"
    folder.mkdir()
    rng = np.random.default_rng(1)
    with open(folder / "manifest.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["text", "audio", "split"])
        for number, seconds in enumerate(SECONDS):
            samples = rng.standard_normal(int(seconds * 16000)) * np.linspace(0.01, 0.2, int(seconds * 16000))
            soundfile.write(folder / f"{number}.wav", samples.clip(-1, 1), 16000)
            writer.writerow(["a b", f"{number}.wav", "train"])
    return folder


def corpus(speech: Path, copies: int) -> CachedCorpus:
    return cache_features(Source.parse(f"{speech}:train"), speech / "cache", preset="kaldi80", copies=copies)


def write_features(speech: Path, encoder: object = levels) -> Path:
    folder = speech / "teacher"
    done = list(write_teacher_features(Source.parse(f"{speech}:train"), encoder, folder))  # type: ignore[arg-type]
    assert not done or done[-1] == (len(SECONDS), len(SECONDS))
    return folder


def test_utterances_share_windows_and_keep_their_places(speech: Path) -> None:
    windows: list[Floats] = []

    def encoder(samples: Floats) -> Floats:
        windows.append(samples.copy())
        return levels(samples)

    stored = np.load(write_features(speech, encoder) / "speech-train.npz")
    assert len(windows) == 1 and len(windows[0]) == WINDOW
    assert np.diff(stored["offsets"]).tolist() == [-(-int(s * 16000) // (FRAME * POOL)) for s in SECONDS]
    for first, end in zip(stored["offsets"][:-1], stored["offsets"][1:], strict=True):
        loud = stored["features"][first : end - 1, 0].astype(np.float32)
        assert (np.diff(loud) > 0).mean() > 0.8  # every utterance grows louder from its own start
    assert write_features(speech) == speech / "teacher" and len(windows) == 1  # what is there is kept


def test_a_variant_takes_the_draws_that_its_timing_says(speech: Path) -> None:
    config = PerturbationConfig(noise_chance=0.0, telephone_chance=0.0, hiss_chance=0.0, room_chance=0.0)
    cached = cache_features(
        Source.parse(f"{speech}:train"), speech / "cache", preset="kaldi80", copies=5, perturbation=config, seed=3
    )
    audio = list(load_audio_of(speech))
    assert cached.copies == 6 and cached.timings[12].tolist() == [1.0, 0.0]  # the recording itself
    for utterance, copy in ((0, 1), (1, 3), (3, 5)):
        speed, before = cached.timings[utterance * 6 + copy]
        varied = perturb(audio[utterance], Surroundings(), config, np.random.default_rng([3, utterance, copy]))
        silent = int(np.argmax(np.abs(varied) > 0)) if before else 0
        assert abs(silent / 16000 - before) < 0.002
        assert len(varied) >= len(audio[utterance]) / speed + before * 16000 - 2


def load_audio_of(speech: Path) -> list[Floats]:
    from sottovoce.export.train.asr.manifest import read_manifest

    return list(load_audio(read_manifest(speech / "manifest.tsv")))


def test_targets_are_moved_and_stretched_as_the_variant_is(speech: Path) -> None:
    data = corpus(speech, 0)
    teacher = EncoderTeacher(write_features(speech), [data], 4, 0.08)
    stored = np.load(speech / "teacher" / "speech-train.npz")
    first, end = stored["offsets"][3:5]
    own = (torch.from_numpy(stored["features"][first:end].astype(np.float32)) - teacher.mean) * teacher.inverse_std
    targets, heard = teacher.targets([Item(0, 3, 0, 200)], 30, torch.zeros(1))
    assert heard[0].tolist() == [1.0] * len(own) + [0.0] * (30 - len(own))
    torch.testing.assert_close(targets[0, : len(own)], own)
    data.timings[3] = 2.0, 0.16  # twice as fast, after two frames of silence
    targets, heard = teacher.targets([Item(0, 3, 0, 200)], 30, torch.zeros(1))
    assert heard[0].tolist() == [0.0] * 2 + [1.0] * (-(-len(own) // 2)) + [0.0] * (30 - 2 - -(-len(own) // 2))
    torch.testing.assert_close(targets[0, 2 : 2 + -(-len(own) // 2)], own[::2])


def test_a_recogniser_learns_its_teachers_features_and_resumes(speech: Path) -> None:
    folder = write_features(speech)
    config = RecipeConfig(
        model=TINY,
        piece_model="char",
        batch_seconds=6.0,
        learning_rate=1e-2,
        warmup_steps=5,
        clean_first_hours=0.003,
        flat_start_hours=0.0,
        augment=None,
    )
    data = [corpus(speech, 2)]
    whole = Trainer(config, data, speech / "whole", teacher=folder)
    assert whole.teacher is not None
    items = [Item(0, n, 1, data[0].length(n, 1)) for n in range(len(SECONDS))]

    def distance(trainer: Trainer) -> float:
        batch = trainer.batch_of(items, torch.Generator().manual_seed(1))
        assert trainer.teacher is not None
        with torch.no_grad():
            return float(
                trainer.teacher.loss(trainer.model.encoder(batch.features, batch.lengths)[0], items, batch.leads)
            )

    before = distance(whole)
    cut = Trainer(config, data, speech / "cut", teacher=folder)
    cut.model.load_state_dict(whole.model.state_dict())
    expected = [whole.step() for _ in range(8)]
    first = [cut.step() for _ in range(4)]
    cut.save()
    resumed = Trainer(config, data, speech / "cut", teacher=folder)
    assert first + [resumed.step() for _ in range(4)] == expected
    for _ in range(40):
        whole.step()
    assert distance(whole) < 0.8 * before


def test_mistakes_are_named(speech: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = corpus(speech, 0)
    with pytest.raises(ModelNotFoundError, match=r"speech-train\.npz: no such file.*teacher-features"):
        EncoderTeacher(speech / "nowhere", [data], 4, 0.08)
    folder = speech / "wrong"
    folder.mkdir()
    np.savez(folder / "speech-train.npz", features=np.zeros((3, 2), np.float16), offsets=np.array([0, 3]))
    with pytest.raises(DataError, match="wanted 4 utterances, found 1"):
        EncoderTeacher(folder, [data], 4, 0.08)
    soundfile.write(speech / "0.wav", np.zeros(31 * 16000), 16000)
    with pytest.raises(InvalidInputError, match="at most 30 s"):
        list(write_teacher_features(Source.parse(f"{speech}:train"), levels, speech / "long"))  # type: ignore[arg-type]
    assert not (speech / "long" / "speech-train.npz").exists()
    arguments = ["--manifest", str(speech), "--model", str(speech), "--out", str(speech / "out")]
    assert cli.main(["teacher-features", *arguments]) == 2
    message = capsys.readouterr().err
    assert "model.bin" in message or "faster-whisper" in message
