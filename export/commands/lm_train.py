"""Train a language model for a recognizer from plain text: which of its pieces comes after which.

--for names the recognizer (an artifact, checkpoint.pt or bundled name), whose vocabulary it shares. --text takes files with a
sentence a line; digits become words, sentences no rule can say are left out. OUT receives checkpoint.pt; `export-asr
--language-model OUT/checkpoint.pt` puts it into an artifact, and beam search then uses it. A killed run goes on when the same
command is given again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sottovoce.export.train_options import positive

COMMAND = ("train", "lm")
HELP = "a language model for beam search"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--for", dest="recognizer", required=True, metavar="MODEL", help="the recognizer it is for")
    add("--text", action="append", required=True, type=Path, metavar="FILE", help="sentences, one a line")
    add("--out", required=True, type=Path, metavar="DIR", help="output folder")
    add("--epochs", type=float, default=2.0, metavar="N", help="(default: 2)")
    add("--minutes", type=float, default=0.0, metavar="M", help="stop after so long (default: 0, no limit)")
    add("--learning-rate", type=float, default=3e-3, metavar="R", help="peak (default: 0.003)")
    add("--width", type=positive, default=192, metavar="N", help="of its layers, a multiple of 32 (default: 192)")
    add("--layers", type=positive, default=2, metavar="N", help="(default: 2)")
    add("--ffn-size", type=positive, default=320, metavar="N", help="hidden neurons of a layer (default: 320)")
    add("--seed", type=int, default=1, help="(default: 1)")


def run(options: argparse.Namespace) -> int:
    """Train with a progress bar; prints the perplexity of sentences held out."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from sottovoce.errors import InvalidInputError
    from sottovoce.export.data.text_lines import read_lines
    from sottovoce.export.models.language_model import LanguageModelConfig
    from sottovoce.export.models.transducer import PredictorConfig
    from sottovoce.export.synthesis.spoken_form import spoken_form
    from sottovoce.export.train.asr.language_model import LanguageModelSettings, train_language_model
    from sottovoce.export.train.asr.recognizer_base import load_recognizer_base

    if options.width % 32:
        raise InvalidInputError(f"--width: wanted a multiple of 32, found {options.width}")
    for path in options.text:
        if not path.is_file():
            raise InvalidInputError(f"{path}: no such file")
    pieces = load_recognizer_base(options.recognizer).pieces()
    lines = (line for path in options.text for line in read_lines(path))
    texts = [said for line in lines if (said := spoken_form(line))]  # as often as they come: that is what is learned
    contexts = tuple(16 + 8 * layer for layer in range(options.layers))
    network = PredictorConfig(
        options.width, options.width, options.layers, options.width // 32, 32, options.ffn_size, contexts
    )
    settings = LanguageModelSettings(
        minutes=options.minutes, epochs=options.epochs, learning_rate=options.learning_rate, seed=options.seed
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(f"{len(texts)} sentences", state="", total=1.0)
        checkpoint = train_language_model(
            texts,
            pieces,
            options.out,
            settings,
            LanguageModelConfig(network),
            lambda share, loss: bar.update(task, completed=share, state=f"loss a piece {loss:.3f}"),
        )
    print(f"{options.out / 'checkpoint.pt'}: perplexity {checkpoint.perplexity:.2f} a piece of sentences held out")
    return 0
