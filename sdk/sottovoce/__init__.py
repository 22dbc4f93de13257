"""Sottovoce: on-device speech and language understanding.

>>> import sottovoce as sv
>>> parser = sv.IntentParser.from_pretrained("snips-en")
>>> parser.parse("play some jazz by miles davis").intent.name
'PlayMusic'
"""

from sottovoce._native import __version__
from sottovoce.artifact import Artifact
from sottovoce.assistant import Assistant, ResolvedSlot, Understanding
from sottovoce.errors import (
    DataError,
    InputOutputError,
    InvalidInputError,
    ModelNotFoundError,
    SottovoceError,
    UnsupportedError,
)
from sottovoce.events import Alternative, EndpointEvent, Event, FinalEvent, IntentEvent, PartialEvent, Word
from sottovoce.intent_parser import Intent, IntentParser, ParseResult, Slot
from sottovoce.recognizer import RecognitionResult, Recognizer, RecognizerStream
from sottovoce.tokenizer import Encoding, Tokenizer

__all__ = [
    "Alternative",
    "Artifact",
    "Assistant",
    "DataError",
    "Encoding",
    "EndpointEvent",
    "Event",
    "FinalEvent",
    "InputOutputError",
    "Intent",
    "IntentEvent",
    "IntentParser",
    "InvalidInputError",
    "ModelNotFoundError",
    "ParseResult",
    "PartialEvent",
    "RecognitionResult",
    "Recognizer",
    "RecognizerStream",
    "ResolvedSlot",
    "Slot",
    "SottovoceError",
    "Tokenizer",
    "Understanding",
    "UnsupportedError",
    "Word",
    "__version__",
]
