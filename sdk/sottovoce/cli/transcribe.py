"""`sottovoce transcribe`: recordings to text, JSON or subtitles."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sottovoce.cli.listener import DEFAULT_RECOGNIZER, add_search_options, search_options
from sottovoce.errors import InputOutputError, InvalidInputError, SottovoceError

if TYPE_CHECKING:
    from sottovoce.recognizer import RecognitionResult, Recognizer

_STEP_SECONDS = 5  # of audio between two looks of the progress bar


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `transcribe`."""
    parser = commands.add_parser(
        "transcribe",
        help="the text of recordings",
        description="Print the transcripts of FILES: of several, one a line behind the file's name and a tab. Any sample "
        "rate; WAV, and FLAC, OGG, Opus, MP3 with the package soundfile.",
    )
    parser.add_argument("files", metavar="FILES", nargs="+", help="recordings")
    parser.add_argument("--model", default=DEFAULT_RECOGNIZER, help="bundled name or file (default: %(default)s)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a file, with the words' times")
    form.add_argument("--srt", action="store_true", help="subtitles, SubRip")
    form.add_argument("--vtt", action="store_true", help="subtitles, WebVTT")
    add_search_options(parser)
    parser.add_argument(
        "--output-dir", metavar="DIR", help="write NAME.txt, .json, .srt or .vtt there instead of printing"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Transcribe the files; one that fails is named, and the others are still done."""
    from sottovoce.cli.progress import progress_bar
    from sottovoce.recognizer import Recognizer

    suffix = "json" if options.json else "srt" if options.srt else "vtt" if options.vtt else "txt"
    targets = _targets(options.files, options.output_dir, suffix)
    if suffix in ("srt", "vtt") and len(options.files) > 1 and not options.output_dir:
        raise InvalidInputError(
            f"--{suffix}: subtitles of {len(options.files)} files wanted; give --output-dir DIR, too"
        )
    recognizer = Recognizer.from_pretrained(options.model)
    search = search_options(options)
    recognizer.stream(**search)  # a mistake in the options comes before the first file
    failures = 0
    with progress_bar(len(options.files)) as show:
        for number, (file, target) in enumerate(zip(options.files, targets, strict=True)):
            name = os.path.basename(file)
            show(name, number)
            try:
                result = transcribe_file(
                    recognizer,
                    file,
                    search,
                    lambda share, name=name, number=number: show(name, number + share),  # type: ignore[misc]
                )
                _put(result, file, suffix, target, len(options.files) > 1)
            except SottovoceError as error:
                failures += 1
                print(f"sottovoce: {error}", file=sys.stderr)
    return 2 if failures else 0


def transcribe_file(
    recognizer: Recognizer, file: str, search: dict[str, Any], report: Callable[[float], None]
) -> RecognitionResult:
    """Return what is said in a file; `report` hears the share that is done. Raises as :meth:`Recognizer.transcribe`."""
    from sottovoce.audio_files import read_audio

    samples, rate = read_audio(file)
    stream = recognizer.stream(**search)
    step = _STEP_SECONDS * rate
    for at in range(0, len(samples), step):
        stream.accept_waveform(samples[at : at + step], rate)
        report(min(1.0, (at + step) / len(samples)))
    return stream.finish()


def _targets(files: list[str], folder: str | None, suffix: str) -> list[str | None]:
    if folder is None:
        return [None] * len(files)
    targets = [os.path.join(folder, f"{os.path.splitext(os.path.basename(file))[0]}.{suffix}") for file in files]
    for file, target in zip(files, targets, strict=True):
        if targets.count(target) > 1:
            raise InvalidInputError(f"--output-dir: {target}: {file} and another file would both be written there")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputOutputError(f"--output-dir {folder}: {error.strerror}") from None
    return list(targets)


def _put(result: RecognitionResult, file: str, suffix: str, target: str | None, several: bool) -> None:
    if suffix == "json":
        text = json.dumps({"file": file} | result.to_dict(), ensure_ascii=False) + "\n"
    elif suffix == "txt":
        text = (f"{file}\t" if several and target is None else "") + result.text + "\n"
    else:
        from sottovoce.cli.subtitles import to_srt, to_vtt

        text = (to_srt if suffix == "srt" else to_vtt)(result.words)
    if target is None:
        print(text, end="", flush=True)
        return
    partial = f"{target}.part"  # whole or not at all
    try:
        with open(partial, "w", encoding="utf-8", errors="backslashreplace") as out:
            out.write(text)
        os.replace(partial, target)
    except OSError as error:
        raise InputOutputError(f"{target}: {error.strerror}") from None
