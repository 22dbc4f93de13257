"""Features beside other implementations of the same definition, on the demo recordings."""

from __future__ import annotations

import wave
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import numpy.typing as npt
import pytest
import torchaudio

from sottovoce import audio

RECORDINGS = sorted((Path(__file__).parents[2] / "demos" / "audio").glob("*.wav"))
Floats = npt.NDArray[np.float32]


def read(path: Path) -> Floats:
    """16 kHz samples in +-1."""
    with wave.open(str(path)) as file:
        rate = file.getframerate()
    samples, _ = audio.read_wav(path)
    return audio.resample(samples, rate, 16000)


def test_there_are_recordings() -> None:
    assert len(RECORDINGS) >= 5


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_kaldi80_is_kaldi_native_fbank(path: Path) -> None:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = 16000
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.low_freq = 20
    options.mel_opts.high_freq = 7600
    samples = read(path)
    reference = kaldi_native_fbank.OnlineFbank(options)
    reference.accept_waveform(16000, samples.tolist())
    reference.input_finished()
    wanted = np.stack([reference.get_frame(i) for i in range(reference.num_frames_ready)])
    got = audio.Fbank("kaldi80").compute(samples)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 1e-3


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_slaney128_is_the_papers_features(path: Path) -> None:
    # 20 ms symmetric Hann, FFT of 512, power, Slaney mels of torchaudio, log(x + 2^-24); frame t centred on 160 t + 80.
    samples = read(path).astype(np.float64)
    count = (len(samples) + 80) // 160
    index = 160 * np.arange(count)[:, None] + 80 - 160 + np.arange(320)
    index = np.where(index < 0, -index - 1, index)
    index = np.where(index >= len(samples), 2 * len(samples) - 1 - index, index)
    frames = samples[index]
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], 1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 319)
    power = np.abs(np.fft.rfft(frames * window, 512)) ** 2
    filters = torchaudio.functional.melscale_fbanks(257, 0.0, 8000.0, 128, 16000, norm="slaney", mel_scale="slaney")
    assert (filters.sum(0) > 0).all()  # no filter is empty
    wanted = np.log(power @ filters.double().numpy() + 2.0**-24)
    got = audio.Fbank("slaney128").compute(samples.astype(np.float32))
    assert got.shape == (count, 128)
    assert np.abs(got - wanted).max() < 1e-3
