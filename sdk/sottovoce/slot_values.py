"""What a slot can hold: synonyms and misheard values become the value that is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Letters that sound alike, or that a recognizer exchanges: half a change. A vowel for a vowel is one too.
_ALIKE = ("aeiouy", "bp", "dt", "gk", "ckqs", "sz", "fv", "mn", "lr", "jg", "xs")
_HALF = {(a, b) for group in _ALIKE for a in group for b in group}
_FARTHEST = 0.45  # share of the letters that may differ


def sound_distance(first: str, second: str) -> float:
    """Return the edit distance of two texts by their letters, spaces counting little; letters that sound alike, a half."""
    row = [0.0]
    for letter in second:
        row.append(row[-1] + _weight(letter))
    for letter in first:
        previous = row[0]
        row[0] += _weight(letter)
        for j, other in enumerate(second, 1):
            if letter == other:
                change = 0.0
            elif (letter, other) in _HALF:
                change = 0.5
            else:
                change = max(_weight(letter), _weight(other))
            best = min(previous + change, row[j] + _weight(letter), row[j - 1] + _weight(other))
            previous, row[j] = row[j], best
    return row[-1]


def _weight(letter: str) -> float:
    return 0.3 if letter == " " else 1.0


class SlotValues:
    """The values of an assistant's slots."""

    def __init__(self, slots: Mapping[str, Mapping[str, object]]) -> None:
        """`slots` is slot -> {"values": [what may be said, ...], "synonyms": {said: value}}, as assistant.json has it.

        Raises:
            TypeError, AttributeError: something else than lists of texts and mappings of texts.
        """
        self._values: dict[str, list[str]] = {}
        self._meant: dict[str, dict[str, str]] = {}
        for slot, entry in slots.items():
            values, synonyms = entry.get("values", []), entry.get("synonyms", {})
            if not isinstance(values, Sequence) or isinstance(values, str) or not isinstance(synonyms, Mapping):
                raise TypeError(f"slot {slot!r}: wanted a list of values and a mapping of synonyms")
            self._values[slot] = [str(value) for value in values]
            self._meant[slot] = {str(said): str(value) for said, value in synonyms.items()}

    def resolve(self, slot: str, said: str) -> str:
        """Return the value that is meant by `said`: a known one, the nearest one by its sound, or `said` itself."""
        known = self._values.get(slot, ())
        meant = self._meant.get(slot, {})
        if said not in meant and said not in known and known:
            nearest = min(known, key=lambda value: (sound_distance(said, value), value))
            if sound_distance(said, nearest) <= _FARTHEST * max(len(said), len(nearest)):
                said = nearest
        return meant.get(said, said)
