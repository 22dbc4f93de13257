"""Train an intent and slot model: teacher, distilled student, ternary weights, calibration, artifact.

DATA is a file or a directory of any known format (seq.in/seq.out/label, CoNLL BIO, JSON Lines, CSV, Rasa NLU YAML, Snips JSON).
OUT receives a directory a stage and OUT/NAME.gguf at the end. Run the same command again after a kill: finished stages are
kept, the one that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sottovoce.errors import InvalidInputError
from sottovoce.export.train_options import add_config_argument, finish, positive

if TYPE_CHECKING:
    from sottovoce.export.train.nlu.recipe import Recipe

COMMAND = ("train", "nlu")
HELP = "intents and slots"
PRESETS = ("tinybert-4", "minilm-6")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; each is a field of `Recipe`."""
    add_student_arguments(parser, PRESETS)
    parser.add_argument("--ternary-epochs", type=positive, metavar="N")


def add_student_arguments(parser: argparse.ArgumentParser, presets: Sequence[str] = PRESETS[:1]) -> None:
    """Declare the arguments of the stages up to the full-precision student."""
    add = parser.add_argument
    add("--data", required=True, type=Path, metavar="DATA", help="labelled utterances")
    add("--out", required=True, type=Path, metavar="OUT", help="directory of this run")
    add("--name", default="model", help="name of the model (default: model)")
    add("--preset", choices=presets, default="tinybert-4", help="shape of the result (default: tinybert-4, 4 x 312)")
    add(
        "--teacher",
        metavar="MODEL",
        help="what the teacher starts from, a Hugging Face BERT directory or `minilm` (default), or a finished teacher of ours: "
        "a checkpoint, an artifact or a bundled name; an MPNet directory or `mpnet` is fine-tuned first and teaches the teacher",
    )
    add("--backbone", metavar="DIR", help="BERT directory under an MPNet teacher (default: minilm)")
    add("--mpnet", metavar="DIR", help=argparse.SUPPRESS)  # how a recorded command names an MPNet --teacher
    add("--general", type=Path, metavar="DIR", help="OUT/general of another run, to share its general student")
    add(
        "--text",
        action="append",
        type=Path,
        metavar="FILE",
        help="plain text for general distillation; may be repeated",
    )
    add(
        "--outliers",
        action="append",
        type=Path,
        metavar="FILE",
        help="sentences out of scope, one a line; may be repeated",
    )
    add("--vectors", type=Path, metavar="FILE", help="GloVe text file: neighbours for data augmentation")
    add("--mpnet-epochs", type=positive, metavar="N")
    add("--teacher-epochs", type=positive, metavar="N")
    add("--general-sentences", type=positive, metavar="N")
    add("--student-epochs", type=positive, metavar="N")
    add("--batch-size", type=positive, metavar="N")
    add("--seed", type=int, metavar="N")
    add("--threads", type=positive, metavar="N")
    add("--bfloat16", action="store_true", help="float products of training in bfloat16: faster where the CPU has it")
    add("--attribution", action="append", metavar="TEXT", help="a source of data or weights to name in the artifact")
    add_config_argument(parser)


def recipe_from(options: argparse.Namespace) -> Recipe:
    """Return the recipe of parsed options.

    Raises:
        ModelNotFoundError, UnsupportedError: what --teacher names is not there, or cannot be a start here.
        InvalidInputError: a file does not exist.
    """
    from sottovoce.export import importers
    from sottovoce.export.checkpoint import read_json
    from sottovoce.export.importers import hugging_face, mpnet, own
    from sottovoce.export.train.nlu.recipe import Recipe
    from sottovoce.models import bundled, resolve

    values: dict[str, Any] = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Recipe)}
    for name in ("text", "outliers", "attribution"):
        values[name] = tuple(values[name] or ())
    for path in (*values["text"], *values["outliers"], values["vectors"]):
        if path is not None and not path.is_file():
            raise InvalidInputError(f"{path}: no such file")
    for name in ("backbone", "mpnet", "teacher"):
        if values[name] is None:
            continue
        if name == "teacher" and (values[name] in bundled() or Path(values[name]).is_file()):
            values["teacher"] = Path(resolve(values[name]))
            continue
        directory = importers.find(values.pop(name))
        config = read_json(directory / "config.json")
        if own.accepts(config):
            values["teacher"] = directory
        elif mpnet.accepts(config):
            values["mpnet"] = directory
        elif hugging_face.accepts(config):
            values["backbone"] = directory
        else:
            raise InvalidInputError(
                f"{directory}: model type {config.get('model_type')!r}; a teacher is a BERT, an MPNet or a checkpoint of ours"
            )
    return Recipe(**{name: value for name, value in values.items() if value is not None})


def run(options: argparse.Namespace) -> int:
    """Train, write the artifact, and print its figures when the data have a test split."""
    recipe = recipe_from(options)
    from sottovoce.export.data import load_dataset
    from sottovoce.export.nlu_evaluation import runtime_decisions
    from sottovoce.export.nlu_metrics import evaluate_nlu
    from sottovoce.export.train.nlu import replicas
    from sottovoce.export.train.nlu.recipe import train_nlu

    splits = load_dataset(recipe.data, seed=recipe.seed)
    train_nlu(recipe)
    finish(recipe.out / "ternary", options)
    artifact = recipe.out / f"{recipe.name}.gguf"
    if "test" in splits and replicas.is_writer():
        gold = [(utterance.intent, utterance.tags) for utterance in splits["test"]]
        metrics = evaluate_nlu(gold, runtime_decisions(str(artifact), splits["test"]))
        print(
            f"test: intent accuracy {metrics.intent_accuracy:.2f}, slot F1 {metrics.slot_f1:.2f}, "
            f"exact match {metrics.exact_match:.2f} on {metrics.utterances} utterances"
        )
    return 0
