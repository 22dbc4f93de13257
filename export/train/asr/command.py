"""What `train asr` does around the recipe: options, caches, progress bar, dev log, artifacts at the end."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sottovoce.errors import DataError, InvalidInputError
from sottovoce.export.models.transducer import TransducerConfig
from sottovoce.export.models.transducer_presets import preset
from sottovoce.export.train.asr import recipe
from sottovoce.export.train.asr.augment import AugmentConfig
from sottovoce.export.train.asr.checkpoint import Checkpoint
from sottovoce.export.train.asr.config import RecipeConfig
from sottovoce.export.train.asr.distributed import Ranks
from sottovoce.export.train.asr.feature_cache import CachedCorpus, cache_features
from sottovoce.export.train.asr.manifest import SAMPLE_RATE, Source, load_audio, read_manifest
from sottovoce.export.train.asr.narrow import narrowed
from sottovoce.export.train.asr.perturbation import PERTURBATIONS, Floats, Surroundings
from sottovoce.export.train.asr.recognizer_base import load_recognizer_base

DEV_UTTERANCES = 100  # a dev set is judged on, while training


def recipe_config(options: argparse.Namespace) -> RecipeConfig:
    """Return the configuration: defaults, --preset, --config, then single options. Raises InvalidInputError, DataError."""
    values: dict[str, Any] = {}
    if options.preset:
        shape = preset(options.preset)
        values = {"model": shape.model, "feature_preset": shape.features}
    if options.config:
        try:
            given = json.loads(Path(options.config).read_text(encoding="utf-8"))
            values |= given
            if "model" in given:
                values["model"] = TransducerConfig.from_dict(values["model"])
            if values.get("augment") is not None:
                values["augment"] = AugmentConfig(**values["augment"])
            RecipeConfig(**values)
        except FileNotFoundError:
            raise InvalidInputError(f"--config {options.config}: no such file") from None
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"--config {options.config}: {error}") from None
    if options.init:  # it aligns already
        values = {
            "clean_first_hours": 0.0,
            "flat_start_hours": 0.0,
            "ctc_first_hours": 0.0,
            "short_first_seconds": 0.0,
        } | values
    if (options.weights or values.get("weights", "f32")) != "f32":
        values = {"learning_rate": 5e-4, "weight_decay": 0.0} | values
    single = {
        "weights": options.weights,
        "minutes": options.minutes,
        "audio_hours": options.audio_hours,
        "batch_seconds": options.batch_seconds,
        "learning_rate": options.learning_rate,
        "piece_model": options.pieces,
        "seed": options.seed,
    }
    config = RecipeConfig(**values | {key: value for key, value in single.items() if value is not None})
    if options.vocab_size:
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, vocab_size=options.vocab_size))
    return config


def load_noises(sources: list[str]) -> list[Floats]:
    """Return the recordings of the manifests that last half a second or more."""
    noises: list[Floats] = []
    for text in sources:
        source = Source.parse(text)
        noises += [x for x in load_audio(read_manifest(source.path, source.split)) if len(x) >= SAMPLE_RATE // 2]
    return noises


def load_rooms(path: str) -> list[Floats]:
    """Return the impulse responses of an .npz file: one array, (rooms, samples), 16 kHz. Raises InvalidInputError, DataError."""
    try:
        with np.load(path) as arrays:
            responses = arrays[arrays.files[0]]
    except FileNotFoundError:
        raise InvalidInputError(f"--rooms {path}: no such file") from None
    except (ValueError, OSError, IndexError) as error:
        raise DataError(f"--rooms {path}: wanted an .npz file with an array (rooms, samples): {error}") from None
    if responses.ndim != 2 or not responses.size:
        raise DataError(f"--rooms {path}: wanted an array (rooms, samples), found shape {responses.shape}")
    largest = np.abs(responses.astype(np.float32)).max(1, keepdims=True)
    return list(responses.astype(np.float32) / np.maximum(largest, 1e-9))


def train(options: argparse.Namespace, out: Path) -> None:
    """Run the recipe and write model.int8.gguf and model.f32.gguf, or model.WEIGHTS.gguf of quantized training."""
    from sottovoce.export.train.asr.export import export_checkpoint

    config = recipe_config(options)
    cache = Path(options.cache) if options.cache else out / "cache"
    out.mkdir(parents=True, exist_ok=True)
    ranks = Ranks.join()
    console = Console(quiet=not ranks.first)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        around = Surroundings()
        if options.copies:
            around = Surroundings(load_noises(options.noise), load_rooms(options.rooms) if options.rooms else ())

        def cached(text: str, copies: int) -> CachedCorpus:
            task = bar.add_task(f"features of {text}", state="", total=None)
            corpus = cache_features(
                Source.parse(text),
                cache,
                preset=config.feature_preset,
                copies=copies,
                perturbation=PERTURBATIONS[options.perturbation],
                around=around,
                seed=config.seed,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
            bar.update(task, completed=1, total=1, state=f"{corpus.offsets[-1] / 360000:.2f} h")
            return corpus

        if not ranks.first:
            ranks.wait()  # for the caches, which the first rank writes
        corpora = [cached(text, options.copies) for text in options.manifest]
        dev_sets = [cached(text, 0) for text in options.dev]
        if ranks.first:
            ranks.wait()
        init = load_recognizer_base(options.init) if options.init else None
        if options.ffn_size and init is None:
            raise InvalidInputError("--ffn-size: wanted --init, the recognizer to narrow; a new one takes a --config")
        if init is not None and options.ffn_size:
            init = narrowed(init, options.ffn_size, corpora, config.seed)
        features = Path(options.teacher) if options.teacher else None
        taught_by = Checkpoint.load(Path(options.distill_from)) if options.distill_from else None
        trainer = recipe.Trainer(config, corpora, out, init, features, taught_by, ranks)
        task = bar.add_task("training", state="", total=config.audio_hours)
        bar.update(task, completed=trainer.audio_seconds / 3600)

        def report(step: recipe.Progress) -> None:
            state = f"step {step.step}, loss a label {step.loss:.3f}, {step.audio_hours:.2f} h heard"
            bar.update(task, completed=step.audio_hours, state=state)

        def judge(trainer: recipe.Trainer) -> None:
            model = trainer.averaged_model()
            rates = {c.name: recipe.word_error_rate(model, trainer.pieces, c, DEV_UTTERANCES) for c in dev_sets}
            if rates:
                console.print(
                    f"step {trainer.step_number}, WER %: " + ", ".join(f"{k} {v:.1f}" for k, v in rates.items())
                )
                with open(out / "dev.jsonl", "a", encoding="utf-8") as file:
                    file.write(json.dumps({"step": trainer.step_number, "word_error_rate": rates}) + "\n")

        trainer.run(report, judge)
    ranks.leave()
    if not ranks.first:
        return
    for weights in ("int8", "f32") if config.weights == "f32" else (config.weights,):
        path = out / f"model.{weights}.gguf"
        size = export_checkpoint(trainer.checkpoint_path, path, weights=weights, name=options.name)
        console.print(f"{path}: {size / 1e6:.2f} MB")
