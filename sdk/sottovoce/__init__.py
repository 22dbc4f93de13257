"""Sottovoce: on-device speech and language understanding.

>>> import sottovoce as sv
>>> parser = sv.IntentParser.from_pretrained("snips-en")
>>> parser.parse("play some jazz by miles davis").intent.name
'PlayMusic'
"""

from sottovoce._native import __version__
from sottovoce.artifact import Artifact
from sottovoce.assistant import Assistant, Understanding
from sottovoce.errors import (
    DataError,
    InputOutputError,
    InvalidInputError,
    ModelNotFoundError,
    SottovoceError,
    UnsupportedError,
)
from sottovoce.intent_parser import Intent, IntentParser, ParseResult, Slot
from sottovoce.recognizer import RecognitionResult, Recognizer, Word
from sottovoce.tokenizer import Encoding, Tokenizer

__all__ = [
    "Artifact",
    "Assistant",
    "DataError",
    "Encoding",
    "InputOutputError",
    "Intent",
    "IntentParser",
    "InvalidInputError",
    "ModelNotFoundError",
    "ParseResult",
    "RecognitionResult",
    "Recognizer",
    "Slot",
    "SottovoceError",
    "Tokenizer",
    "Understanding",
    "UnsupportedError",
    "Word",
    "__version__",
]
