"""The WordPiece vocabulary and its settings, from the files of a Hugging Face directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, ModelNotFoundError, UnsupportedError
from sottovoce.export.checkpoint import read_json

_TOKENS = {"unknown_token": "unk_token", "cls_token": "cls_token", "sep_token": "sep_token", "pad_token": "pad_token"}
_DEFAULT_TOKENS = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}


def read_tokenizer(directory: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the pieces in id order and the `tokenizer.*` metadata.

    tokenizer_config.json decides on lower case and accents (no entry for accents: they follow lower case), then
    tokenizer.json, then BERT's defaults.

    Raises:
        ModelNotFoundError: neither vocab.txt nor tokenizer.json; UnsupportedError: another kind of tokenizer; DataError.
    """
    config = read_json(directory / "tokenizer_config.json") if (directory / "tokenizer_config.json").exists() else {}
    fast = read_json(directory / "tokenizer.json") if (directory / "tokenizer.json").exists() else {}
    if fast and fast.get("model", {}).get("type", "WordPiece") != "WordPiece":
        raise UnsupportedError(f"{directory}/tokenizer.json: wanted WordPiece, found {fast['model']['type']!r}")
    pieces = _pieces(directory, fast)
    # `normalizer` may be null, and only the fast tokenizer's file has one.
    normalizer = fast.get("normalizer") or {}
    lowercase = bool(_chosen(config.get("do_lower_case"), normalizer.get("lowercase"), True))
    metadata: dict[str, Any] = {
        "tokenizer.kind": "wordpiece",
        "tokenizer.lowercase": lowercase,
        "tokenizer.strip_accents": bool(
            _chosen(config.get("strip_accents"), normalizer.get("strip_accents"), lowercase)
        ),
        "tokenizer.chinese_chars": bool(
            _chosen(config.get("tokenize_chinese_chars"), normalizer.get("handle_chinese_chars"), True)
        ),
        "tokenizer.max_word_characters": int(fast.get("model", {}).get("max_input_chars_per_word", 100)),
    }
    for key, name in _TOKENS.items():
        token = config.get(name) or _DEFAULT_TOKENS[name]
        token = token.get("content") if isinstance(token, dict) else token
        if token not in pieces:
            raise DataError(f"{directory}: the {name} {token!r} is not in the vocabulary of {len(pieces)} pieces")
        metadata[f"tokenizer.{key}"] = token
    return pieces, metadata


def _chosen(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _pieces(directory: Path, fast: dict[str, Any]) -> list[str]:
    path = directory / "vocab.txt"
    if path.exists():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8: {error}") from None
        return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
    vocabulary = fast.get("model", {}).get("vocab")
    if not isinstance(vocabulary, dict):
        raise ModelNotFoundError(f"{directory}: no vocabulary; wanted vocab.txt or tokenizer.json")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise DataError(f"{directory}/tokenizer.json: wanted the ids 0 to {len(vocabulary) - 1}, each once")
    return sorted(vocabulary, key=lambda piece: vocabulary[piece])
