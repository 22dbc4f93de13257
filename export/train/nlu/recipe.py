"""The whole chain from labelled utterances to a calibrated ternary checkpoint, one function a stage; `distill` stops earlier.

    OUT/mpnet     fine-tuned MPNet, the teacher's own teacher (only with `mpnet`)
    OUT/teacher   fine-tuned encoder, float32          OUT/general   general student (tinybert-4 only)
    OUT/student   float32 student (tinybert-4 only)    OUT/ternary   W2E2A8 model, calibrated: the result

Preset `minilm-6` keeps the teacher's shape, so the teacher is its full-precision student. A stage whose finished checkpoint
exists is skipped; a stage that was killed goes on where it was.
"""

from __future__ import annotations

import dataclasses
import random
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sottovoce.errors import InvalidInputError
from sottovoce.export import importers
from sottovoce.export.data.text_lines import read_lines
from sottovoce.export.models.bert import BertConfig, JointBert
from sottovoce.export.train.nlu import replicas
from sottovoce.export.train.nlu.artifact_start import artifact_checkpoint
from sottovoce.export.train.nlu.calibrate import OUTLIERS_FOR_CALIBRATION, calibrate
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.general import TINYBERT_4, StudentShape, distil_general
from sottovoce.export.train.nlu.loop import LoopSettings
from sottovoce.export.train.nlu.mpnet_teacher import fine_tune_mpnet
from sottovoce.export.train.nlu.neighbours import nearest_words, read_word_vectors
from sottovoce.export.train.nlu.student import distil_task
from sottovoce.export.train.nlu.task import Task, load_task
from sottovoce.export.train.nlu.teacher import fine_tune
from sottovoce.export.train.nlu.ternarize import ternarize
from sottovoce.export.train.nlu.tokenization import backbone_tokenizer

PRESETS: dict[str, StudentShape | None] = {"tinybert-4": TINYBERT_4, "minilm-6": None}


@dataclass(frozen=True)
class Recipe:
    """What one run needs. Paths may be shared between runs: `teacher` and `general` name finished stages of another."""

    data: Path
    out: Path
    name: str = "model"
    preset: str = "tinybert-4"
    backbone: Path | None = None  # a Hugging Face BERT directory; None: the installed all-MiniLM-L6-v2
    teacher: Path | None = None  # a finished teacher of the same data: a checkpoint directory or an artifact
    mpnet: Path | None = None  # a Hugging Face MPNet directory: the teacher learns from it too
    general: Path | None = None  # a finished general student (OUT/general of another run)
    text: tuple[Path, ...] = ()  # plain text for general distillation; none: that stage is left out
    outliers: tuple[Path, ...] = ()  # sentences out of scope, a line each
    vectors: Path | None = None  # GloVe text file for word replacement
    mpnet_epochs: int = 3
    teacher_epochs: int = 6
    general_sentences: int = 20_000
    student_epochs: int = 6
    ternary_epochs: int = 5
    batch_size: int = 32
    seed: int = 1
    threads: int = 1
    bfloat16: bool = False
    attribution: tuple[str, ...] = ()

    def settings(self, epochs: int, rate: float, **changes: Any) -> LoopSettings:
        """Optimization settings of a stage."""
        shared = {"seed": self.seed, "bfloat16": self.bfloat16, "warmup": 0.05}
        return LoopSettings(epochs=epochs, learning_rate=rate, **{**shared, **changes})


def mpnet_settings(recipe: Recipe) -> LoopSettings:
    """Fine-tuning of a larger encoder: a lower rate."""
    return recipe.settings(recipe.mpnet_epochs, 4e-5, head_learning_rate=1e-3, warmup=0.07)


def teacher_settings(recipe: Recipe) -> LoopSettings:
    """Fine-tuning: new heads learn faster than the pretrained encoder."""
    return recipe.settings(recipe.teacher_epochs, 1.5e-4, head_learning_rate=1e-3, warmup=0.07)


def general_settings(recipe: Recipe) -> LoopSettings:
    """One pass over the drawn sentences; word rows move slowly, since most are seen a few times only."""
    return recipe.settings(1, 4e-4, word_learning_rate=1e-4)


def student_settings(recipe: Recipe) -> LoopSettings:
    """Task distillation."""
    return recipe.settings(recipe.student_epochs, 4e-4, head_learning_rate=6e-4, word_learning_rate=3e-4)


def ternary_settings(recipe: Recipe) -> LoopSettings:
    """Quantization-aware training: codes flip only if the shadow weights move far enough, hence the high rate."""
    return recipe.settings(recipe.ternary_epochs, 2.5e-4 if recipe.preset == "tinybert-4" else 2e-4)


def finished(directory: Path) -> bool:
    """Whether a stage has left its checkpoint: config.json is written last."""
    return (directory / "config.json").exists()


def _stage(recipe: Recipe, directory: Path, settings: LoopSettings, make: Callable[[], Checkpoint]) -> Checkpoint:
    if finished(directory):
        return load_checkpoint(directory)
    checkpoint = make()
    training = {
        **checkpoint.training,
        directory.name: dataclasses.asdict(settings),
        "preset": recipe.preset,
        "batch_size": recipe.batch_size,
        "command": shlex.join(command_line(recipe)),
    }
    attribution = {"sources": list(recipe.attribution)}
    checkpoint = dataclasses.replace(checkpoint, name=recipe.name, training=training, attribution=attribution)
    save_checkpoint(checkpoint, directory)
    return checkpoint


def command_line(recipe: Recipe) -> list[str]:
    """The command that repeats this run."""
    words = ["sottovoce-export", "train", "nlu"]
    default = {field.name: field.default for field in dataclasses.fields(Recipe)}
    for name, value in vars(recipe).items():
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None and each != default[name]:
                words += [f"--{name.replace('_', '-')}", *([] if each is True else [str(each)])]
    return words


def _general(recipe: Recipe, shape: StudentShape, backbone: Path, task: Task) -> tuple[JointBert, Tensor] | None:
    """The general student and its map, trained now or read from where it is finished; None without text."""
    directory = recipe.general or recipe.out / "general"
    path = directory / "general.pt"
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model = JointBert(BertConfig.from_dict(saved["config"]))
        model.load_state_dict(saved["model"])
        return model, saved["basis"]
    if recipe.general is not None:
        raise InvalidInputError(f"{path}: wanted a finished general student, it is not there")
    if not recipe.text:
        return None
    lines = [line for source in recipe.text for line in read_lines(source)]
    model, basis = distil_general(
        backbone,
        shape,
        task.encoder.tokenizer,
        lines,
        directory,
        general_settings(recipe),
        sentences_per_epoch=recipe.general_sentences,
    )
    if not replicas.is_writer():
        return model, basis
    torch.save({"model": model.state_dict(), "basis": basis, "config": model.config.to_dict()}, path)
    return model, basis


def _open(recipe: Recipe) -> tuple[Path, Task, list[str]]:
    """The backbone, the task, and the outliers held out for calibration."""
    if recipe.preset not in PRESETS:
        raise InvalidInputError(f"preset: wanted one of {sorted(PRESETS)}, found {recipe.preset!r}")
    torch.set_num_threads(recipe.threads)
    backbone = recipe.backbone or importers.find("minilm")
    outliers = [line for source in recipe.outliers for line in read_lines(source)]
    random.Random(recipe.seed).shuffle(outliers)
    held = round(len(outliers) * OUTLIERS_FOR_CALIBRATION)
    task = load_task(recipe.data, backbone_tokenizer(backbone), outliers=outliers[held:], seed=recipe.seed)
    task.batch_size = recipe.batch_size
    if recipe.vectors is not None:
        vocabulary = {word for utterance in task.splits["train"] for word in utterance.words}
        neighbours = nearest_words(vocabulary, *read_word_vectors(recipe.vectors))
        task.augmenter = dataclasses.replace(task.augmenter, neighbours=neighbours)
    return backbone, task, outliers[:held]


def _distill(recipe: Recipe, backbone: Path, task: Task, held: list[str]) -> Checkpoint:
    """The full-precision student, calibrated."""
    teacher_directory = recipe.teacher or recipe.out / "teacher"
    settings = teacher_settings(recipe)

    def make_teacher() -> Checkpoint:
        above = None
        if recipe.mpnet is not None:
            above = fine_tune_mpnet(task, recipe.mpnet, recipe.out / "mpnet", mpnet_settings(recipe))
        return calibrate(fine_tune(task, backbone, teacher_directory, settings, mpnet=above), task, held)

    if teacher_directory.is_file():
        teacher = artifact_checkpoint(teacher_directory)
    else:
        teacher = _stage(recipe, teacher_directory, settings, make_teacher)
    if teacher.slot_labels != task.labels.tags or teacher.intent_labels != task.labels.intents:
        raise InvalidInputError(f"{teacher_directory}: its labels are not those of {recipe.data}")
    shape = PRESETS[recipe.preset]
    if shape is None:
        return teacher
    general = _general(recipe, shape, backbone, task)
    directory, student = recipe.out / "student", student_settings(recipe)
    return _stage(
        recipe,
        directory,
        student,
        lambda: calibrate(distil_task(task, teacher, shape, directory, student, general=general), task, held),
    )


def distill(recipe: Recipe) -> Checkpoint:
    """Runs what is unfinished of the stages up to the student and returns it, calibrated (OUT/student). Raises as `train_nlu`."""
    backbone, task, held = _open(recipe)
    return _distill(recipe, backbone, task, held)


def train_nlu(recipe: Recipe) -> Checkpoint:
    """Runs every unfinished stage and returns the calibrated ternary checkpoint (OUT/ternary).

    Raises InvalidInputError for an unknown preset or a missing part, OSError and DataError for unreadable files.
    """
    backbone, task, held = _open(recipe)
    full_precision = _distill(recipe, backbone, task, held)
    final, quantized = recipe.out / "ternary", ternary_settings(recipe)
    return _stage(
        recipe,
        final,
        quantized,
        lambda: calibrate(ternarize(task, full_precision, final, quantized), task, held, full_precision=full_precision),
    )
