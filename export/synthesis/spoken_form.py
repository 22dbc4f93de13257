"""Written text to the words a voice says: lower case letters, apostrophes and single spaces; numbers as words."""

from __future__ import annotations

import re
import unicodedata

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_SYMBOLS = {
    "&": "and",
    "%": "percent",
    "½": "half",
    "=": "equals",
    "+": "plus",
    "@": "at",
    "$": "dollars",
    "#": "number",
}
_APOSTROPHES = dict.fromkeys(map(ord, "’‘`´"), "'")  # the curly ones are the point
_NUMBER = re.compile(r"(\d{1,2})\s*:\s*(\d\d)(?!\d)|(\d+)(st|nd|rd|th)\b|(\d{2})s\b|(\d{4})s\b|(\d+)\.(\d+)|(\d+)")


def spell_number(value: int) -> str:
    """Return 0 .. 999,999,999 in words; ValueError outside."""
    if not 0 <= value < 10**9:
        raise ValueError(f"number to spell: wanted 0 to 999999999, got {value}")
    for unit, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if value >= unit:
            rest = value % unit
            return f"{spell_number(value // unit)} {name}" + (f" {spell_number(rest)}" if rest else "")
    if value < 20:
        return _ONES[value]
    return _TENS[value // 10] + (f" {_ONES[value % 10]}" if value % 10 else "")


def _spell_year(value: int) -> str:
    if 2000 <= value < 2010 or value % 1000 == 0:
        return spell_number(value)
    century, rest = divmod(value, 100)
    if rest == 0:
        return f"{spell_number(century)} hundred"
    return f"{spell_number(century)} {'oh ' if rest < 10 else ''}{spell_number(rest)}"


def _spell_ordinal(value: int) -> str:
    head, _, last = spell_number(value).rpartition(" ")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return f"{head} {last}".strip()


def _plural(words: str) -> str:
    return words[:-1] + "ies" if words.endswith("y") else words + ("es" if words.endswith("x") else "s")


def _spell_match(match: re.Match[str]) -> str:
    hour, minute, ordinal, _, decade, year_decade, whole, fraction, plain = match.groups()
    if hour is not None:
        tail = "" if minute == "00" else (" oh " if minute[0] == "0" else " ") + spell_number(int(minute))
        words = spell_number(int(hour)) + tail
    elif ordinal is not None:
        words = _spell_ordinal(int(ordinal[-9:]))
    elif decade is not None:
        words = _plural(spell_number(int(decade))) if decade != "00" else "two thousands"
    elif year_decade is not None:
        words = _plural(_spell_year(int(year_decade)))
    elif whole is not None:
        words = spell_number(int(whole[-9:])) + " point " + " ".join(_ONES[int(d)] for d in fraction)
    elif len(plain) == 4 and 1100 <= int(plain) < 2100:
        words = _spell_year(int(plain))
    elif len(plain) > 6 or (plain[0] == "0" and len(plain) > 1):
        words = " ".join(_ONES[int(d)] for d in plain)
    else:
        words = spell_number(int(plain))
    return f" {words} "


def spoken_form(text: str) -> str | None:
    """Return `text` as words of a-z and apostrophes, or None when it holds letters that no rule here can say.

    Accents go, symbols with a name are named, other punctuation separates words: "rate it 4/6" -> "rate it four six".
    """
    text = text.lower().translate(_APOSTROPHES)
    text = re.sub(r"(?<=[a-z])\s+(?='(?:t|s|m|re|ve|ll|d)\b)", "", text)  # corpora cut "don 't" into two
    for symbol, name in _SYMBOLS.items():
        text = text.replace(symbol, f" {name} ")
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = _NUMBER.sub(_spell_match, text)
    if any(c.isalpha() and not ("a" <= c <= "z") for c in text):
        return None
    text = re.sub(r"[^a-z']+", " ", text)
    text = re.sub(r"(?<![a-z])'+|'+(?![a-z])", " ", text)  # quotation marks, and plural possessives' loose ends
    return " ".join(text.split())
