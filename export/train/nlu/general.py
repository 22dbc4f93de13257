"""Stage 2: general distillation. A student, cut out of the pretrained encoder, learns its states and attention over plain text.

The student comes out without knowing any task, so one general student serves every task of that shape.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from sottovoce.export.compress.distillation import StudentWithFit, attention_loss, hidden_loss
from sottovoce.export.compress.projection import layer_map, shrink
from sottovoce.export.models.bert import BertConfig, JointBert
from sottovoce.export.train.nlu.backbone import load_backbone
from sottovoce.export.train.nlu.batches import Batch, Example, bucketed, collate, encode_words
from sottovoce.export.train.nlu.loop import LoopSettings, Losses, Stage, run_stage
from sottovoce.export.train.nlu.tokenization import WordTokenizer

PROJECTION_SENTENCES = 400  # whose states fit the projection


@dataclass(frozen=True)
class StudentShape:
    """What of the teacher's shape a student changes; None keeps the teacher's."""

    num_layers: int
    hidden_size: int
    head_size: int
    ffn_size: int

    def apply(self, teacher: BertConfig) -> BertConfig:
        """The student's configuration, in float32."""
        return replace(
            teacher,
            num_layers=self.num_layers,
            hidden_size=self.hidden_size,
            head_size=self.head_size,
            ffn_size=self.ffn_size,
        )


TINYBERT_4 = StudentShape(num_layers=4, hidden_size=312, head_size=26, ffn_size=1200)


def sentence_batches(sentences: Sequence[list[int]], pad_id: int, batch_size: int, rng: random.Random) -> list[Batch]:
    """Batches of unlabelled sentences (piece ids with [CLS] and [SEP])."""
    examples = [Example(ids, [0] * len(ids), []) for ids in sentences]
    return [collate(group, pad_id) for group in bucketed(examples, batch_size, rng)]


def imitation_losses(student: StudentWithFit, teacher: JointBert, batch: Batch) -> Losses:
    """Embedding, hidden and attention losses (TinyBERT's transformer distillation)."""
    with torch.no_grad():
        wanted = teacher(batch.ids, batch.keep, want_hidden=True, want_scores=True)
    found = student.model(batch.ids, batch.keep, want_hidden=True, want_scores=True)
    hidden = hidden_loss(student, found, wanted, batch.keep)
    attention = attention_loss(student, found, wanted, batch.keep)
    return {"loss": hidden + attention, "hidden": hidden, "attention": attention}


def distil_general(
    backbone: Path,
    shape: StudentShape,
    tokenizer: WordTokenizer,
    lines: Sequence[str],
    directory: Path,
    settings: LoopSettings,
    *,
    sentences_per_epoch: int = 20_000,
    batch_size: int = 32,
    max_pieces: int = 48,
) -> tuple[JointBert, Tensor]:
    """Trains (or resumes) the general student; returns it with its map to the teacher's states (teacher, student hidden).

    `lines` is plain text, a sentence a line; every epoch draws `sentences_per_epoch` of them.
    """
    torch.manual_seed(settings.seed)
    teacher = load_backbone(backbone, 2, 2).requires_grad_(False).eval()  # the task's heads replace these later
    config = teacher.config
    rng = random.Random(f"{settings.seed} projection")
    some = rng.sample(range(len(lines)), min(PROJECTION_SENTENCES, len(lines)))
    fitted = [encode_words(lines[index].split(), tokenizer, max_pieces)[0] for index in some]
    shrunk = shrink(teacher, shape.apply(config), fitted)
    model = JointBert(shape.apply(config))
    model.load_state_dict(shrunk.weights)
    student = StudentWithFit(model, config.hidden_size, layer_map(shape.num_layers, config.num_layers), shrunk.basis)

    def make_batches(epoch: int) -> list[Batch]:
        epoch_rng = random.Random(f"{settings.seed} {epoch}")
        chosen = epoch_rng.sample(range(len(lines)), min(sentences_per_epoch, len(lines)))
        sentences = [encode_words(lines[index].split(), tokenizer, max_pieces)[0] for index in chosen]
        return sentence_batches(sentences, tokenizer.pad_id, batch_size, epoch_rng)

    stage = Stage(
        name="general distillation",
        directory=directory,
        model=student,
        trained=student,
        settings=settings,
        make_batches=make_batches,
        losses=lambda batch: imitation_losses(student, teacher, batch),
    )
    best = run_stage(stage)
    assert best is not None
    student.load_state_dict(best)
    assert student.fit is not None
    return model, student.fit.weight.detach()
