"""`sottovoce listen`: what is said into a microphone, as it is said."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sottovoce.cli.listener import add_model_options, add_search_options, open_models, search_options
from sottovoce.cli.parse import format_parse, print_json
from sottovoce.events import FinalEvent, IntentEvent, PartialEvent

if TYPE_CHECKING:
    from sottovoce.audio import FloatArray
    from sottovoce.events import Event

_QUIETEST_DB = -60.0
_METER = "▁▂▃▄▅▆▇█"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `listen`."""
    parser = commands.add_parser(
        "listen",
        help="live transcripts and intents from a microphone",
        description="Print what is said into the microphone, and with a parser or an assistant what it means. On a terminal "
        "the words appear as they come, behind a meter of the level. Ctrl-C ends it.",
    )
    add_model_options(parser)
    add_search_options(parser)
    parser.add_argument("--device", metavar="DEVICE", help="number or part of the name (default: the system's)")
    parser.add_argument("--list-devices", action="store_true", help="list the devices that record, and end")
    parser.add_argument("--file", metavar="FILE", help="play a recording in the place of the microphone, in real time")
    parser.add_argument("--fast", action="store_true", help="with --file: as fast as it can be decoded")
    parser.add_argument(
        "--endpoint-silence", type=float, default=0.8, metavar="SECONDS", help="that end an utterance (default: 0.8)"
    )
    parser.add_argument("--json", action="store_true", help="print every event as a JSON object, one a line")
    parser.set_defaults(run=run)


class _Ended:
    """Ends a source at Ctrl-C, so that what was said before is still decoded; a second Ctrl-C ends the program."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> _Ended:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class Screen:
    """The terminal: finals stay, the partial text is written over, with the level of the last chunk before it."""

    def __init__(self) -> None:
        """Begin with silence."""
        self.level = _METER[0]
        self._partial = ""

    def hear(self, chunk: FloatArray) -> None:
        """Show the level of a chunk."""
        self.level = meter(chunk)
        self._draw()

    def show(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, PartialEvent):
            self._partial = event.text
        elif isinstance(event, FinalEvent):
            self._partial = ""
            self._clear()
            print(event.text)
        elif isinstance(event, IntentEvent):
            self._clear()
            print(format_parse(event.parse, event.slots))
        self._draw()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 4
        text = self._partial if len(self._partial) <= width else f"…{self._partial[-max(1, width - 1) :]}"
        print(f"\r\033[K{self.level} {text}", end="", flush=True)

    def _clear(self) -> None:
        print("\r\033[K", end="")

    def close(self) -> None:
        """Leave an empty line behind the last final."""
        self._clear()
        sys.stdout.flush()


def meter(chunk: FloatArray) -> str:
    """Return a bar for the level of (n,) samples in +-1: the lowest at -60 dB of full scale, the highest at 0."""
    power = float(np.mean(np.square(chunk))) if len(chunk) else 0.0
    decibels = 10 * np.log10(power + 1e-12)
    share = (decibels - _QUIETEST_DB) / -_QUIETEST_DB
    return _METER[int(min(max(share, 0.0), 0.999) * len(_METER))]


def run(options: argparse.Namespace) -> int:
    """Listen until the source ends or Ctrl-C."""
    if options.list_devices:
        return list_devices()
    # Mistakes in the options come before the device is opened.
    models = open_models(options)
    search = search_options(options) | {"endpoint_silence": options.endpoint_silence}
    screen = Screen() if sys.stdout.isatty() and not options.json else None
    with _Ended() as ended:
        source = _open_source(options)
        announcement = "" if options.file else f"listening to {source.device.name}, Ctrl-C ends"
        try:
            chunks = _until_ended(source, ended, screen, announcement)
            for event in models.listen(chunks, source.sample_rate, **search):
                _put(event, options.json, screen)
        finally:
            if screen is not None:
                screen.close()
            if not options.file:
                source.close()
                if source.overflows:
                    print(f"audio was lost {source.overflows} times: this machine was too busy", file=sys.stderr)
    return 0


def _open_source(options: argparse.Namespace) -> Any:
    if options.file:
        from sottovoce.audio_files import audio_chunks

        return audio_chunks(options.file, realtime=not options.fast)
    from sottovoce.microphone_input import microphone

    device = options.device
    return microphone(int(device) if device is not None and device.isdecimal() else device, sample_rate=None)


def _until_ended(
    source: Iterable[FloatArray], ended: _Ended, screen: Screen | None, announcement: str
) -> Iterator[FloatArray]:
    for chunk in source:
        if announcement:  # audio comes: only now does it listen
            print(announcement, file=sys.stderr, flush=True)
            announcement = ""
        if ended.asked:
            return
        if screen is not None:
            screen.hear(chunk)
        yield chunk


def _put(event: Event, as_json: bool, screen: Screen | None) -> None:
    if as_json:
        print_json(event.to_dict())
    elif screen is not None:
        screen.show(event)
    elif isinstance(event, FinalEvent):
        print(event.text, flush=True)
    elif isinstance(event, IntentEvent):
        print(format_parse(event.parse, event.slots), flush=True)


def list_devices() -> int:
    """Print the devices that record."""
    from sottovoce.microphone_input import input_devices

    for device in input_devices():
        mark = "*" if device.default else " "
        print(f"{mark} {device.number:3}  {device.name}  ({device.channels} channels, {device.sample_rate} Hz)")
    return 0
