"""The C++ runtime; csrc/bindings/ defines it. The modules of this package are its public face."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

def active_isa() -> str:
    """Return the instruction-set tier in use; UnsupportedError when SOTTOVOCE_ISA names one that this CPU lacks."""

def sentencepiece_encode(kind: str, pieces: Sequence[str], scores: Sequence[float], text: str | bytes) -> list[int]:
    """Return the ids of `text`; kind: bpe, unigram or char; scores of unigram pieces, else []."""

def sentencepiece_decode(pieces: Sequence[str], ids: Sequence[int]) -> str:
    """Return the text of `ids`, single spaces between words."""

class Artifact:
    @staticmethod
    def open(path: bytes) -> Artifact: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def tensors(self) -> list[tuple[str, str, tuple[int, ...], int]]:
        """(name, type, shape with the fastest dimension first, bytes) of each."""

    def verify(self) -> None: ...

class WordPieceTokenizer:
    def __init__(
        self,
        vocab: Iterable[str] | str,
        lowercase: bool = True,
        strip_accents: bool = True,
        chinese_chars: bool = True,
        unknown_token: str = "[UNK]",
        cls_token: str = "[CLS]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        max_word_characters: int = 100,
    ) -> None: ...
    def encode(self, text: str | bytes) -> tuple[list[int], list[str], list[tuple[int, int]], list[int], bool]:
        """(ids, pieces, offsets, word of each piece, invalid_utf8)."""

    def encode_words(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """(ids, word of each piece)."""

    def find(self, piece: str) -> int: ...
    def __len__(self) -> int: ...
    @property
    def vocab(self) -> list[str]: ...
    @property
    def unknown_id(self) -> int: ...
    @property
    def cls_id(self) -> int: ...
    @property
    def sep_id(self) -> int: ...
    @property
    def pad_id(self) -> int: ...
    @property
    def lowercase(self) -> bool: ...
    @property
    def strip_accents(self) -> bool: ...
    @property
    def chinese_chars(self) -> bool: ...

class IntentParser:
    @staticmethod
    def open(path: bytes, width: float = 1.0, depth: float = 1.0) -> IntentParser: ...
    @staticmethod
    def open_memory(data: bytes, width: float = 1.0, depth: float = 1.0) -> IntentParser: ...
    def parse(
        self, text: str | bytes, top_k: int
    ) -> tuple[list[tuple[str, float]], list[tuple[str, int, int, float]], bool, list[str]]:
        """(intents as (name, score), slots as (name, start, end, score), out_of_scope, warnings)."""

    @property
    def tokenizer(self) -> WordPieceTokenizer: ...
    @property
    def intent_labels(self) -> list[str]: ...
    @property
    def slot_labels(self) -> list[str]: ...

class Recognizer:
    @staticmethod
    def open(path: bytes) -> Recognizer: ...
    @staticmethod
    def open_memory(data: bytes) -> Recognizer: ...
    def stream(
        self,
        beam: int | None = None,
        alternatives: int = 1,
        biasing: list[tuple[str, float]] = [],
        endpoint_silence: float = 0.0,
        endpoint_min_speech: float = 0.0,
        endpoint_max: float = 0.0,
        lm_scale: float | None = None,
        lm_bonus: float | None = None,
    ) -> RecognizerStream:
        """Seconds of 0 mean no such rule."""

    def push_batch(
        self,
        streams: Sequence[RecognizerStream],
        chunks: Sequence[NDArray[np.float32]],
        sample_rate: int,
        finish: bool = False,
    ) -> None: ...
    def encode_text(self, text: str) -> list[int]: ...
    def language_scores(self, labels: list[int]) -> list[float]: ...
    @property
    def default_beam(self) -> int: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def frame_seconds(self) -> float: ...
    @property
    def look_ahead_seconds(self) -> float: ...

class RecognizerStream:
    def accept_waveform(self, samples: NDArray[np.float32], sample_rate: int) -> None: ...
    def set_biasing(self, phrases: list[tuple[str, float]]) -> None: ...
    def poll(self) -> list[tuple[Any, ...]]:
        """Tuples that `sottovoce.events.stream_event` reads."""

    def finish(self) -> tuple[str, list[tuple[str, float, float, float]]]: ...
    @property
    def state_bytes(self) -> int: ...
    @property
    def partial(self) -> str: ...
    @property
    def tokens(self) -> list[tuple[int, int, float]]:
        """(symbol, encoder frame, log probability) of each."""

class SpeechSegmenter:
    def __init__(self, min_silence: float, min_speech: float) -> None: ...
    def push(self, samples: NDArray[np.float32], sample_rate: int) -> list[tuple[float, float]]:
        """(start seconds, end seconds) of the segments that ended."""

    def finish(self) -> list[tuple[float, float]]: ...
    @property
    def speaking(self) -> bool: ...

def read_wav(path: str | bytes) -> tuple[NDArray[np.float32], int]:
    """(samples (n,) in +-1, sample rate in Hz)."""

def resample(samples: ArrayLike, from_rate: int, to_rate: int) -> NDArray[np.float32]: ...
def fbank_preset(name: str) -> dict[str, Any]: ...

class Fbank:
    def __init__(
        self,
        *,
        sample_rate: int,
        num_mels: int,
        window_samples: int,
        hop_samples: int,
        fft_size: int,
        window: str,
        mel_scale: str,
        preemphasis: float,
        low_hz: float,
        high_hz: float,
        log_floor: float,
        log_offset: float,
        remove_dc: bool,
    ) -> None: ...
    @property
    def num_mels(self) -> int: ...
    def compute(self, samples: ArrayLike) -> NDArray[np.float32]: ...
    def accept(self, samples: ArrayLike) -> NDArray[np.float32]: ...
    def finish(self) -> NDArray[np.float32]: ...
    def reset(self) -> None: ...

class EncoderStream:
    def push(self, features: ArrayLike) -> NDArray[np.float32]:
        """Normalised features (frames, num_mels) to the encoder frames they complete, (n, dim)."""

class TransducerEncoder:
    @staticmethod
    def open(path: bytes) -> TransducerEncoder: ...
    def stream(self) -> EncoderStream: ...
    def push_batch(
        self, streams: Sequence[EncoderStream], features: Sequence[NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """`EncoderStream.push` of several streams in one call that shares every product."""
    def normalize(self, features: ArrayLike) -> NDArray[np.float32]: ...
    @property
    def num_mels(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def look_ahead(self) -> int: ...
    @property
    def cache_bytes(self) -> int:
        """What a stream costs, beside the scratch that streams share."""
    @property
    def dim(self) -> int: ...
    @property
    def max_frames(self) -> int: ...

class kernels:
    """Really a submodule: each kernel on numpy arrays, for tests and benchmarks (csrc/kernels/ explains the arguments)."""

    @staticmethod
    def quantize_rows(
        x: ArrayLike, clip: float = 0.0, granularity: str = "token"
    ) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int32]]:
        """(codes (rows, cols), scale (rows), sum of the codes (rows))."""

    @staticmethod
    def gemm_q2(
        codes: ArrayLike, scale: ArrayLike, panels: ArrayLike, weight_scale: ArrayLike, bias: ArrayLike
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def gemm_q8(
        codes: ArrayLike, scale: ArrayLike, panels: ArrayLike, weight_scale: ArrayLike, bias: ArrayLike
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def gemm_f32(x: ArrayLike, weights: ArrayLike, bias: ArrayLike) -> NDArray[np.float32]: ...
    @staticmethod
    def layer_norm(
        x: ArrayLike, residual: ArrayLike, weight: ArrayLike, bias: ArrayLike, epsilon: float
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def softmax(x: ArrayLike) -> NDArray[np.float32]: ...
    @staticmethod
    def attention(q: ArrayLike, k: ArrayLike, v: ArrayLike, heads: int, scale: float) -> NDArray[np.float32]: ...
    @staticmethod
    def gelu(x: ArrayLike) -> NDArray[np.float32]: ...
    @staticmethod
    def tanh(x: ArrayLike) -> NDArray[np.float32]: ...
