"""Train a speech recogniser: a small streaming Conv-Transformer Transducer.

--manifest PATH[:SPLIT][*WEIGHT] names a TSV file with a header and at least the columns text and audio (see
`export/train/asr/manifest.py`), or a folder with a manifest.tsv; give it as often as there are corpora. Features are
computed once, with perturbed copies, into --cache. A killed run goes on when the same command is given again. The output
folder gets checkpoint.pt, metrics.jsonl, dev.jsonl and model.int8.gguf, model.f32.gguf at the end.

Ternary or int8 weights: --weights ternary --init F32/checkpoint.pt --distill-from F32/checkpoint.pt; the output folder gets
model.ternary.gguf at the end.
"""

from __future__ import annotations

import argparse
from pathlib import Path

COMMAND = ("train", "asr")
HELP = "a speech recogniser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--manifest", "--data", action="append", required=True, metavar="PATH[:SPLIT][*WEIGHT]", help="train on"
    )
    parser.add_argument(
        "--dev", action="append", default=[], metavar="PATH[:SPLIT]", help="print the WER on this now and then"
    )
    parser.add_argument(
        "--noise", action="append", default=[], metavar="PATH[:SPLIT]", help="recordings of noise to mix in"
    )
    parser.add_argument(
        "--rooms", metavar="NPZ", help="impulse responses to convolve with: an array (rooms, samples), 16 kHz"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="output folder")
    parser.add_argument(
        "--init",
        metavar="MODEL",
        help="adapt this checkpoint.pt, artifact or bundled recognizer: its shape, vocabulary and weights",
    )
    parser.add_argument(
        "--ffn-size", type=int, metavar="N", help="with --init: keep the N most active hidden neurons of encoder layers"
    )
    parser.add_argument(
        "--teacher", metavar="DIR", help="features of a large recognizer's encoder, from `teacher-features`"
    )
    parser.add_argument(
        "--weights",
        choices=["f32", "int8", "ternary"],
        help="int8, ternary: quantization-aware training, with the arithmetic of the runtime; wants --init (default: f32)",
    )
    parser.add_argument(
        "--distill-from", metavar="CHECKPOINT", help="imitate this float checkpoint.pt too, of the same shape"
    )
    parser.add_argument("--cache", metavar="DIR", help="folder of cached features (default: OUT/cache)")
    parser.add_argument(
        "--copies", type=int, default=1, help="perturbed variants of an utterance, beside itself (default: 1)"
    )
    parser.add_argument(
        "--perturbation",
        choices=["default", "multi-condition"],
        default="default",
        help="of the variants: speed, rooms, noise and a telephone; or SPIRAL's noise alone (default: default)",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="shape of the network: paper, hfr, bolt-v1, micro, small, whisper-tiny (default: micro)",
    )
    parser.add_argument("--config", metavar="JSON", help="file with a RecipeConfig; other options override it")
    parser.add_argument("--audio-hours", type=float, metavar="H", help="audio to see in all (default: 30)")
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after so long (default: 0, no limit)")
    parser.add_argument("--batch-seconds", type=float, metavar="S", help="audio in a batch (default: 64)")
    parser.add_argument(
        "--learning-rate", type=float, metavar="R", help="peak (default: 0.0008, 0.0005 of quantized weights)"
    )
    parser.add_argument("--pieces", choices=["bpe", "unigram", "char"], help="kind of vocabulary (default: bpe)")
    parser.add_argument("--vocab-size", type=int, metavar="N", help="pieces (default: 256)")
    parser.add_argument("--seed", type=int, help="(default: 1)")
    parser.add_argument("--name", default="en", help="the artifact's name (default: en)")


def run(options: argparse.Namespace) -> int:
    """Train and export."""
    from sottovoce.export.train.asr.command import train

    train(options, Path(options.out))
    return 0
