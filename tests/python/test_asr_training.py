"""The speech recipe on speech made of tones: it learns, it resumes, it looks no further ahead than it says, it exports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tone_speech import SENTENCES, TEN, TINY, corpus, recipe, say, write_speech

from sottovoce import Recognizer
from sottovoce.audio import Fbank
from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export import cli
from sottovoce.export.models.transducer import Conv, Transducer
from sottovoce.export.train.asr.augment import AugmentConfig
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.decoding import transcribe_features
from sottovoce.export.train.asr.evaluation import revokes
from sottovoce.export.train.asr.export import export_checkpoint
from sottovoce.export.train.asr.feature_cache import CachedCorpus, cache_features
from sottovoce.export.train.asr.losses import transducer_loss, uniform_loss
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Source, load_audio, read_manifest
from sottovoce.export.train.asr.perturbation import PERTURBATIONS, Surroundings, join_noises, perturb
from sottovoce.export.train.asr.recipe import Trainer
from sottovoce.export.train.asr.sampler import epoch_batches


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_speech(tmp_path)


def test_learns_ten_utterances_without_an_error_and_the_runtime_says_the_same(tmp_path: Path) -> None:
    folder = write_speech(tmp_path, TEN)
    trainer = Trainer(recipe(audio_hours=0.16), [corpus(folder)], folder / "run")
    losses: list[float] = []
    trainer.run(lambda progress: losses.append(progress.loss))
    assert np.mean(losses[-10:]) < 0.1
    checkpoint = Checkpoint.load(folder / "run" / "checkpoint.pt")
    fbank, model, pieces = Fbank("kaldi80"), checkpoint.model(), checkpoint.pieces()
    for weights in ("f32", "int8"):
        path = folder / f"{weights}.gguf"
        export_checkpoint(folder / "run" / "checkpoint.pt", path, weights=weights, name="tones")
        recognizer = Recognizer.from_pretrained(path)
        model.set_weights("f32" if weights == "f32" else "int8")
        for number, text in enumerate(TEN):
            samples = soundfile.read(folder / f"{number}.wav", dtype="float32")[0]
            expected = transcribe_features(model, torch.from_numpy(fbank.compute(samples)))
            stream = recognizer.stream()
            stream.accept_waveform(samples)
            assert stream.finish().text == pieces.decode(expected) == text
            assert [token[0] for token in stream.tokens] == expected


def test_a_killed_run_resumes_with_the_same_losses(folder: Path) -> None:
    config = recipe(augment=AugmentConfig(), model=TINY)
    data = [corpus(folder, copies=2)]
    whole = Trainer(config, data, folder / "whole")
    expected = [whole.step() for _ in range(12)]
    first = Trainer(config, data, folder / "cut")
    losses = [first.step() for _ in range(5)]
    first.save()
    first.step()  # lost: the kill comes before the next checkpoint
    second = Trainer(config, data, folder / "cut")
    losses += [second.step() for _ in range(7)]
    assert losses == expected
    for name, tensor in whole.averaged_weights().items():
        assert torch.equal(tensor, second.averaged_weights()[name]), name


def random_transducer() -> Transducer:
    torch.manual_seed(5)
    model = Transducer(TINY)
    for module in model.modules():
        if isinstance(module, Conv):
            for tensor, low, high in (
                (module.norm.running_mean, -0.3, 0.3),
                (module.norm.running_var, 0.5, 2.0),
                (module.norm.weight.data, 0.5, 1.5),
                (module.norm.bias.data, -0.3, 0.3),
            ):
                assert tensor is not None
                tensor.uniform_(low, high)
    return model.eval()


@torch.no_grad()
def test_no_output_sees_beyond_the_look_ahead() -> None:
    model = random_transducer()
    features = torch.randn(1, 101, 80)
    lengths = torch.tensor([101])
    before, count = model.encoder(features, lengths)
    assert count.item() == before.shape[1] == 13  # ceil(101 / 8)
    for output in (0, 3, 7):
        reach = TINY.stride * output + TINY.look_ahead
        changed = features.clone()
        changed[:, reach + 1 :] += 5.0
        after, _ = model.encoder(changed, lengths)
        assert torch.equal(before[:, : output + 1], after[:, : output + 1])
        changed[:, reach] += 5.0
        assert not torch.equal(before[:, output], model.encoder(changed, lengths)[0][:, output])


@torch.no_grad()
def test_padding_of_a_batch_changes_nothing() -> None:
    model = random_transducer()
    features = torch.randn(1, 45, 80)
    alone, _ = model.encoder(features, torch.tensor([45]))
    padded, counts = model.encoder(torch.nn.functional.pad(features, (0, 0, 0, 30)), torch.tensor([45]))
    assert counts.item() == 6
    torch.testing.assert_close(padded[:, :6], alone, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_folded_convolution_is_the_same_convolution() -> None:
    model = random_transducer()
    features = torch.randn(1, 40, 80)
    expected, _ = model.encoder(features, torch.tensor([40]))
    for module in model.modules():
        if isinstance(module, Conv):
            weight, bias = module.folded()
            kernel = module.conv.weight.shape
            shape = (kernel[0], *kernel[2:], kernel[1])
            module.conv.weight.copy_(weight.view(shape).movedim(-1, 1))
            module.norm = torch.nn.Identity()  # type: ignore[assignment]
            module.conv.bias = torch.nn.Parameter(bias)
    folded, _ = model.encoder(features, torch.tensor([40]))
    torch.testing.assert_close(folded, expected, rtol=1e-4, atol=1e-4)


def paths_loss(logits: torch.Tensor, targets: Sequence[int]) -> float:
    """Return -log of the sum over all alignments, by enumeration. logits: (frames, labels + 1, vocab)."""
    log_probs = logits.double().log_softmax(-1)

    def walk(t: int, u: int) -> float:
        if t == len(logits):
            return 1.0 if u == len(targets) else 0.0
        total = float(log_probs[t, u, 0].exp()) * walk(t + 1, u)
        if u < len(targets):
            total += float(log_probs[t, u, targets[u]].exp()) * walk(t, u + 1)
        return total

    return -float(np.log(walk(0, 0)))


def test_transducer_loss_is_the_sum_over_alignments() -> None:
    torch.manual_seed(1)
    logits = torch.randn(3, 5, 4, 7) * 2
    targets = torch.tensor([[1, 2, 3], [4, 4, 0], [6, 0, 0]])
    lengths, counts = torch.tensor([5, 4, 2]), torch.tensor([3, 2, 1])
    expected = [
        paths_loss(logits[b, : lengths[b], : counts[b] + 1], targets[b, : counts[b]].tolist()) for b in range(3)
    ]
    ours = logits.clone().requires_grad_()
    theirs = logits.clone().requires_grad_()
    loss = transducer_loss(ours, targets, lengths, counts)
    reference = transducer_loss(theirs, targets, lengths, counts, implementation="torchaudio")
    torch.testing.assert_close(loss, torch.tensor(expected), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loss, reference, rtol=1e-5, atol=1e-5)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    reference.sum().backward()  # type: ignore[no-untyped-call]
    assert ours.grad is not None and theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    flat = transducer_loss(torch.zeros(1, 5, 4, 7), targets[:1], lengths[:1], counts[:1])
    assert flat.item() == pytest.approx(uniform_loss(5, 3, 7), rel=1e-5)


def test_sampler_draws_by_weight_and_bounds_batches(folder: Path) -> None:
    data = corpus(folder, copies=3)
    heavy = replace(data, weight=2.5)
    batches = epoch_batches([data, heavy], 0, batch_frames=400, seed=3)
    items = [item for batch in batches for item in batch]
    assert sum(item.corpus == 1 for item in items) == 15 and sum(item.corpus == 0 for item in items) == 6
    assert all(len(batch) == 1 or max(i.frames for i in batch) * len(batch) <= 400 for batch in batches)
    assert batches == epoch_batches([data, heavy], 0, batch_frames=400, seed=3)
    assert batches != epoch_batches([data, heavy], 1, batch_frames=400, seed=3)


def test_manifest_mistakes_are_named(tmp_path: Path) -> None:
    for text in ("", "a.tsv*x", "a.tsv*-1"):
        with pytest.raises(InvalidInputError, match="PATH"):
            Source.parse(text)
    path = tmp_path / "m.tsv"
    path.write_text("words\taudio\nhi\tx.wav\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="columns text and audio"):
        read_manifest(path)
    path.write_text("text\taudio\tseconds\nhi\tx.wav\tlong\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        read_manifest(path)
    path.write_text("text\taudio\nhi\tx.wav\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.wav"):
        corpus_of(path)


def corpus_of(path: Path) -> CachedCorpus:
    return cache_features(Source(path), path.parent / "cache", preset="kaldi80")


def test_command_line_trains_evaluates_and_resumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {
        "model": TINY.to_dict(),
        "warmup_steps": 5,
        "augment": None,
        "flat_start_hours": 0.0,
        "ctc_first_hours": 0.0,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    command = ["train", "asr", "--manifest", f"{folder}:train", "--dev", str(folder), "--out", str(folder / "out")]
    command += [
        "--config",
        str(folder / "config.json"),
        "--pieces",
        "char",
        "--audio-hours",
        "0.004",
        "--batch-seconds",
        "4",
    ]
    assert cli.main(command) == 0
    log = (folder / "out" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert cli.main([*command[:-4], "--audio-hours", "0.008", "--batch-seconds", "4"]) == 0
    longer = (folder / "out" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(longer) > len(log) and longer[: len(log)] == log
    capsys.readouterr()
    assert cli.main(["eval", "asr", str(folder / "out" / "model.int8.gguf"), "--manifest", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["sets"][0]
    assert report["utterances"] == len(SENTENCES) and report["words"] == 12
    errors = report["substitutions"] + report["deletions"] + report["insertions"]
    assert report["word_error_rate"] == pytest.approx(100 * errors / 12, abs=1e-3)
    assert report["real_time_factor"] > 0 and report["finish_milliseconds"] > 0
    checkpoint = str(folder / "out" / "checkpoint.pt")
    side_by_side = ["eval", "asr", checkpoint, "--weights", "f32", "int8", "--manifest", str(folder), "--json"]
    assert cli.main([*side_by_side, "--beam", "2"]) == 0
    models = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["as f32" in models[0]["model"], "as int8" in models[1]["model"]] == [True, True]
    assert cli.main(["eval", "asr", str(folder / "no.gguf"), "--manifest", str(folder)]) == 2


@pytest.mark.parametrize("name", ["take.wav", "take.flac", "take.opus"])
def test_manifests_name_audio_of_several_formats_and_rates(tmp_path: Path, name: str) -> None:
    wave = say("ab c", 1)
    if name == "take.opus":
        soundfile.write(tmp_path / name, wave, 16000, format="OGG", subtype="OPUS")
    else:
        soundfile.write(tmp_path / name, np.repeat(wave, 2), 32000)
    (tmp_path / "m.tsv").write_text(f"text\taudio\nab c\t{name}\n", encoding="utf-8")
    (samples,) = load_audio(read_manifest(tmp_path / "m.tsv"))
    assert samples.dtype == np.float32 and abs(len(samples) - len(wave)) < 400
    shared = min(len(samples), len(wave))
    assert np.corrcoef(samples[:shared], wave[:shared])[0, 1] > 0.95


def test_multi_condition_draws_noise_by_duration() -> None:
    rng = np.random.default_rng(0)
    noises = [np.full(SAMPLE_RATE * seconds, seconds, np.float32) for seconds in (1, 3)]
    noises.append(np.full(SAMPLE_RATE // 2, 9, np.float32))  # too short to come
    firsts = [float(join_noises(noises, 100, rng)[0]) for _ in range(400)]
    assert 9 not in firsts and 0.65 < firsts.count(3) / 400 < 0.85
    joined = join_noises(noises, SAMPLE_RATE * 7, rng)
    assert len(joined) == SAMPLE_RATE * 7 and set(joined.tolist()) <= {1, 3}
    speech = say("abc", 2)
    config, around = PERTURBATIONS["multi-condition"], Surroundings([rng.standard_normal(30000).astype(np.float32)])
    variants = [perturb(speech, around, config, np.random.default_rng(seed)) for seed in range(60)]
    noisy = [variant for variant in variants if not np.array_equal(variant, speech)]
    assert all(len(variant) == len(speech) for variant in variants) and 20 <= len(noisy) <= 40


def test_revokes_are_partials_that_take_letters_back() -> None:
    assert revokes(["a", "a b", "a c", "a c d", "a"]) == 2
    assert revokes([]) == revokes(["a"]) == 0


def test_torchrun_gives_the_gradients_of_one_process(folder: Path) -> None:
    config = {"model": TINY.to_dict(), "augment": None, "clean_first_hours": 0.0, "flat_start_hours": 0.0}
    (folder / "config.json").write_text(json.dumps(config | {"ctc_first_hours": 0.0}), encoding="utf-8")
    command = [
        "train",
        "asr",
        "--manifest",
        f"{folder}:train",
        "--config",
        str(folder / "config.json"),
        "--pieces",
        "char",
    ]
    command += ["--audio-hours", "0.0015", "--batch-seconds", "8", "--cache", str(folder / "cache")]
    assert cli.main([*command, "--out", str(folder / "one")]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    subprocess.run([*torchrun, "sottovoce.export", *command, "--out", str(folder / "two")], check=True, timeout=300)
    logs = [
        [json.loads(x) for x in (folder / run / "metrics.jsonl").read_text().splitlines()] for run in ("one", "two")
    ]
    assert len(logs[0]) == len(logs[1]) > 1
    for one, two in zip(*logs, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-3)
        assert two["ctc_loss"] == pytest.approx(one["ctc_loss"], rel=1e-3)
    states = [Checkpoint.load(folder / run / "checkpoint.pt").training for run in ("one", "two")]
    moments = [{k: v["exp_avg"] for k, v in state["optimizer"]["state"].items()} for state in states]
    largest = max(float(moment.norm()) for moment in moments[0].values())
    assert moments[0].keys() == moments[1].keys()
    for name, moment in moments[0].items():  # of the gradients
        assert float((moments[1][name] - moment).norm()) < 2e-3 * float(moment.norm()) + 1e-4 * largest, name
    for name, tensor in states[0]["model"].items():
        if "running" in name:  # batch norms saw both halves
            torch.testing.assert_close(states[1]["model"][name], tensor, rtol=1e-2, atol=1e-2)
