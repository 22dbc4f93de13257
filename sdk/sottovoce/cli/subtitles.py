"""Recognized words as subtitles: SubRip (.srt) and WebVTT (.vtt)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sottovoce.events import Word

PAUSE_SECONDS = 0.7  # between words: the next cue begins
LONGEST_SECONDS = 6.0
LONGEST_TEXT = 84  # two lines of 42 characters, as broadcasters have it


def cues(words: Iterable[Word]) -> list[list[Word]]:
    """Return the words in cues: a new one after a pause, and before one gets too long to read."""
    found: list[list[Word]] = []
    for word in words:
        cue = found[-1] if found else []
        if (
            not cue
            or word.start - cue[-1].end > PAUSE_SECONDS
            or word.end - cue[0].start > LONGEST_SECONDS
            or len(" ".join(each.text for each in (*cue, word))) > LONGEST_TEXT
        ):
            found.append([word])
        else:
            cue.append(word)
    return found


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _lines(cue: Sequence[Word]) -> str:
    text = " ".join(word.text for word in cue)
    if len(text) <= LONGEST_TEXT // 2:
        return text
    spaces = [at for at, letter in enumerate(text) if letter == " "]
    middle = min(spaces, key=lambda at: abs(at - len(text) / 2), default=None)
    return text if middle is None else f"{text[:middle]}\n{text[middle + 1 :]}"


def to_srt(words: Iterable[Word]) -> str:
    """Return the words as SubRip."""
    blocks = [
        f"{number}\n{_time(cue[0].start, ',')} --> {_time(cue[-1].end, ',')}\n{_lines(cue)}\n"
        for number, cue in enumerate(cues(words), 1)
    ]
    return "\n".join(blocks)


def to_vtt(words: Iterable[Word]) -> str:
    """Return the words as WebVTT."""
    blocks = [f"{_time(cue[0].start, '.')} --> {_time(cue[-1].end, '.')}\n{_lines(cue)}\n" for cue in cues(words)]
    return "\n".join(["WEBVTT\n", *blocks])
