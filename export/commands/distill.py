"""Distil a small full-precision student: teacher, student, calibration, float32 artifact. The first half of `train nlu`.

DATA is a file or a directory of any known format (as of `train nlu`). OUT receives a directory a stage, OUT/student last, which
`ternarize`, `binarize`, `dynamize` and `search` start from, and OUT/NAME.gguf. Run the same command again after a kill: it
goes on where it was.
"""

from __future__ import annotations

import argparse

from sottovoce.export.commands.train_nlu import add_student_arguments, recipe_from
from sottovoce.export.train_options import finish

COMMAND = ("distill",)
HELP = "a small student of a large model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; each is a field of `Recipe`."""
    add_student_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train and write the artifact; prints its size."""
    recipe = recipe_from(options)
    from sottovoce.export.train.nlu.recipe import distill

    distill(recipe)
    return finish(recipe.out / "student", options)
