"""Sottovoce: on-device speech and language understanding.

>>> import sottovoce as sv
>>> parser = sv.IntentParser.from_pretrained("snips-en")
>>> parser.parse("play some jazz by miles davis").intent.name
'PlayMusic'
"""

from typing import TYPE_CHECKING, Any

from sottovoce._native import __version__
from sottovoce.artifact import Artifact
from sottovoce.assistant import Assistant, ResolvedSlot, Understanding
from sottovoce.errors import (
    DataError,
    InputOutputError,
    InvalidInputError,
    MissingPackageError,
    ModelNotFoundError,
    SottovoceError,
    UnsupportedError,
)
from sottovoce.events import Alternative, EndpointEvent, Event, FinalEvent, IntentEvent, PartialEvent, Word
from sottovoce.intent_parser import Intent, IntentParser, ParseResult, Slot
from sottovoce.recognizer import RecognitionResult, Recognizer, RecognizerStream
from sottovoce.tokenizer import Encoding, Tokenizer
from sottovoce.voice_activity import SpeechSegment, VoiceActivityDetector

if TYPE_CHECKING:
    from sottovoce import compat
    from sottovoce.audio_files import AudioChunks, audio_chunks, read_audio
    from sottovoce.microphone_input import InputDevice, Microphone, input_devices, microphone

__all__ = [
    "Alternative",
    "Artifact",
    "Assistant",
    "AudioChunks",
    "DataError",
    "Encoding",
    "EndpointEvent",
    "Event",
    "FinalEvent",
    "InputDevice",
    "InputOutputError",
    "Intent",
    "IntentEvent",
    "IntentParser",
    "InvalidInputError",
    "Microphone",
    "MissingPackageError",
    "ModelNotFoundError",
    "ParseResult",
    "PartialEvent",
    "RecognitionResult",
    "Recognizer",
    "RecognizerStream",
    "ResolvedSlot",
    "Slot",
    "SottovoceError",
    "SpeechSegment",
    "Tokenizer",
    "Understanding",
    "UnsupportedError",
    "VoiceActivityDetector",
    "Word",
    "__version__",
    "audio_chunks",
    "compat",
    "input_devices",
    "microphone",
    "read_audio",
]

# Where a name is that most programs do not need: imported at its first use, so that starting stays fast.
_LAZY = {
    "AudioChunks": "audio_files",
    "audio_chunks": "audio_files",
    "compat": "compat",
    "read_audio": "audio_files",
    "InputDevice": "microphone_input",
    "Microphone": "microphone_input",
    "input_devices": "microphone_input",
    "microphone": "microphone_input",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'sottovoce' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"sottovoce.{_LAZY[name]}")
    return module if name == _LAZY[name] else getattr(module, name)
