"""The WordPiece vocabulary and its settings, from the files of a Hugging Face directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, ModelNotFoundError, UnsupportedError
from sottovoce.export.checkpoint import read_json

_TOKENS = {"unknown_token": "unk_token", "cls_token": "cls_token", "sep_token": "sep_token", "pad_token": "pad_token"}
_DEFAULT_TOKENS = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}


def read_tokenizer(
    directory: Path, *, vocabulary: Path | None = None, lowercase: bool | None = None
) -> tuple[list[str], dict[str, Any]]:
    """Return the pieces in id order and the `tokenizer.*` metadata.

    tokenizer_config.json decides on lower case and accents (no entry for accents: they follow lower case), then
    tokenizer.json, then the pieces: a vocabulary with capitals is a cased one.

    Args:
        vocabulary: a vocab.txt that lies elsewhere; lowercase: decides against all of the above.
    Raises:
        ModelNotFoundError: neither vocab.txt nor tokenizer.json; UnsupportedError: another kind of tokenizer; DataError.
    """
    config = read_json(directory / "tokenizer_config.json") if (directory / "tokenizer_config.json").exists() else {}
    fast = read_json(directory / "tokenizer.json") if (directory / "tokenizer.json").exists() else {}
    if fast and fast.get("model", {}).get("type", "WordPiece") != "WordPiece":
        raise UnsupportedError(f"{directory}/tokenizer.json: wanted WordPiece, found {fast['model']['type']!r}")
    pieces = read_pieces(vocabulary) if vocabulary else _pieces(directory, fast)
    # `normalizer` may be null, and only the fast tokenizer's file has one.
    normalizer = fast.get("normalizer") or {}
    found = _chosen(config.get("do_lower_case"), normalizer.get("lowercase"), not _is_cased(pieces))
    accents = _chosen(config.get("strip_accents"), normalizer.get("strip_accents"), found)
    if lowercase is not None:
        found = accents = lowercase
    metadata: dict[str, Any] = {
        "tokenizer.kind": "wordpiece",
        "tokenizer.lowercase": bool(found),
        "tokenizer.strip_accents": bool(accents),
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


def _is_cased(pieces: list[str]) -> bool:
    """True when at least one in twenty pieces of Latin letters has a capital; [CLS] and the like do not count."""
    words = [piece for piece in pieces if piece.removeprefix("##").isascii() and piece.removeprefix("##").isalpha()]
    return 20 * sum(word != word.lower() for word in words) > len(words)


def read_pieces(path: Path) -> list[str]:
    """Return the lines of a vocab.txt. ModelNotFoundError when it is not there, DataError when it is not UTF-8."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelNotFoundError(f"{path}: no such vocabulary") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8: {error}") from None
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]


def _pieces(directory: Path, fast: dict[str, Any]) -> list[str]:
    path = directory / "vocab.txt"
    if path.exists():
        return read_pieces(path)
    vocabulary = fast.get("model", {}).get("vocab")
    if not isinstance(vocabulary, dict):
        raise ModelNotFoundError(f"{directory}: no vocabulary; wanted vocab.txt or tokenizer.json, or --vocab FILE")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise DataError(f"{directory}/tokenizer.json: wanted the ids 0 to {len(vocabulary) - 1}, each once")
    return sorted(vocabulary, key=lambda piece: vocabulary[piece])
