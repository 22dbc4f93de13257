"""NEZHA (Wei et al. 2019): a BERT whose positions are relative, fine-tuned, distilled into fewer layers, ternarized.

    OUT/teacher   float32, fine-tuned from a NEZHA checkpoint, or trained from nothing on the data alone
    OUT/student   some of its layers, distilled          OUT/nezha   the student in ternary, calibrated: the result

Without a checkpoint the vocabulary is made of the training data: every Chinese character is a piece, other scripts are spelt.
"""

from __future__ import annotations

import dataclasses
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sottovoce.export.compress.distillation import StudentWithFit
from sottovoce.export.compress.projection import layer_map
from sottovoce.export.data import Utterance, load_dataset
from sottovoce.export.models.bert import BertConfig, JointBert
from sottovoce.export.train.nlu.artifact_start import checkpoint_tokenizer
from sottovoce.export.train.nlu.backbone import load_backbone
from sottovoce.export.train.nlu.batches import Labels
from sottovoce.export.train.nlu.calibrate import calibrate
from sottovoce.export.train.nlu.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sottovoce.export.train.nlu.loop import LoopSettings
from sottovoce.export.train.nlu.task import Task, load_task
from sottovoce.export.train.nlu.task_losses import supervised_losses
from sottovoce.export.train.nlu.task_stage import distil_on_task, train_on_task
from sottovoce.export.train.nlu.ternarize import ternarize
from sottovoce.export.train.nlu.tokenization import backbone_tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclass(frozen=True)
class NezhaSettings:
    """One run: what each stage takes; the sizes are those of a teacher without a checkpoint."""

    data: Path
    out: Path
    teacher: LoopSettings
    student: LoopSettings
    ternary: LoopSettings
    checkpoint: Path | None = None  # a NEZHA to fine-tune
    num_layers: int = 4
    hidden_size: int = 192
    num_heads: int = 6
    ffn_size: int = 768
    max_relative_position: int = 64
    student_layers: int = 2
    name: str = "model"
    batch_size: int = 32
    seed: int = 1
    threads: int = 1


def character_pieces(utterances: Sequence[Utterance], at_least: int = 1) -> list[str]:
    """Special pieces, letters, digits and punctuation with their continuations, and the characters of the utterances."""
    counts = Counter(character for utterance in utterances for word in utterance.words for character in word.lower())
    spelt = string.ascii_lowercase + string.digits
    seen = sorted(character for character, count in counts.items() if count >= at_least)
    known = [*spelt, *string.punctuation]
    pieces = [*SPECIAL, *known, *(f"##{letter}" for letter in spelt)]
    return [*pieces, *(character for character in seen if character not in known)]


def fresh(utterances: Sequence[Utterance], labels: Labels, settings: NezhaSettings) -> Checkpoint:
    """An untrained NEZHA of the sizes in `settings`."""
    pieces = character_pieces(utterances)
    config = BertConfig(
        num_layers=settings.num_layers,
        hidden_size=settings.hidden_size,
        num_heads=settings.num_heads,
        head_size=settings.hidden_size // settings.num_heads,
        ffn_size=settings.ffn_size,
        vocab_size=len(pieces),
        num_intents=len(labels.intents),
        num_slots=len(labels.tags),
        position="relative",
        max_relative_position=settings.max_relative_position,
    )
    weights = dict(JointBert(config).state_dict())
    return Checkpoint(config, labels.intents, labels.tags, pieces, weights)


def pretrained(directory: Path, labels: Labels) -> Checkpoint:
    """The encoder of a NEZHA checkpoint with new heads; no pooler. Raises as `importers.load`."""
    model = load_backbone(directory, len(labels.intents), len(labels.tags), position="relative")
    tokenizer = backbone_tokenizer(directory)
    weights = dict(model.state_dict())
    return Checkpoint(
        model.config, labels.intents, labels.tags, tokenizer.pieces, weights, tokenizer=dict(tokenizer.settings)
    )


def fine_tune(task: Task, start: Checkpoint, directory: Path, settings: LoopSettings) -> Checkpoint:
    """Train (or resume) on the labels."""
    torch.manual_seed(settings.seed)
    model = start.build(dropout=0.1)
    best = train_on_task(
        *("teacher", task, directory, model, model, settings),
        lambda batch: supervised_losses(model(batch.ids, batch.keep), batch),
    )
    return replace(start, weights=best)


def fewer_layers(teacher: Checkpoint, count: int) -> Checkpoint:
    """The teacher with `count` of its layers: the first, the last, the rest evenly between."""
    kept = layer_map(count, teacher.config.num_layers)
    weights = {name: tensor for name, tensor in teacher.weights.items() if not name.startswith("layer.")}
    for new, old in enumerate(kept):
        weights |= {
            name.replace(f"layer.{old}.", f"layer.{new}.", 1): tensor.clone()
            for name, tensor in teacher.weights.items()
            if name.startswith(f"layer.{old}.")
        }
    return replace(teacher, config=replace(teacher.config, num_layers=count), weights=weights, metrics={})


def distil(task: Task, teacher: Checkpoint, directory: Path, settings: LoopSettings, layers: int) -> Checkpoint:
    """Train (or resume) a student of `layers` layers on the teacher's states, attention and logits, and the labels."""
    torch.manual_seed(settings.seed)
    start = fewer_layers(teacher, layers)
    model = start.build()
    student = StudentWithFit(model, start.config.hidden_size, layer_map(layers, teacher.config.num_layers))
    best = distil_on_task("student", task, directory, model, student, teacher.build(), settings)
    return replace(start, weights=best)


def train_nezha(settings: NezhaSettings) -> Checkpoint:
    """From labelled utterances to the calibrated ternary model in OUT/nezha; finished stages are only read.

    Raises as `load_dataset` and `importers.load`.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    train = load_dataset(settings.data, seed=settings.seed)["train"]
    labels = Labels.collect(train)
    begun = pretrained(settings.checkpoint, labels) if settings.checkpoint else fresh(train, labels, settings)
    task = load_task(settings.data, checkpoint_tokenizer(begun), seed=settings.seed)
    task.batch_size = settings.batch_size

    def stage(name: str, loop: LoopSettings, train: Checkpoint | None) -> Checkpoint:
        directory = settings.out / name
        if (directory / "config.json").exists():
            return load_checkpoint(directory)
        if train is None:
            made = fine_tune(task, begun, directory, loop)
        elif name == "student":
            made = distil(task, train, directory, loop, settings.student_layers)
        else:
            made = ternarize(task, train, directory, loop)
        made = replace(made, name=settings.name, training={**made.training, name: dataclasses.asdict(loop)})
        made = calibrate(made, task, full_precision=train if name == "nezha" else None)
        save_checkpoint(made, directory)
        return made

    teacher = stage("teacher", settings.teacher, None)
    student = stage("student", settings.student, teacher)
    return stage("nezha", settings.ternary, student)
