#!/usr/bin/env python3
"""Print lines of what running text lacks and people dictate: spelled words, codes, digits, numbers, dates, times, addresses.

    python tools/spoken_items.py WORDS COUNT [SEED] > items.txt

WORDS is any text file, whose words are spelled and name streets. For `train lm --text`, beside running text: without such
lines a language model makes beam search leave out letters and digits.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

ONES = "zero one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
MONTHS = "january february march april may june july august september october november december".split()
STREETS = ("street", "avenue", "road", "drive", "lane", "court")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Items:
    """Makes lines by chance."""

    def __init__(self, words: list[str], rng: random.Random) -> None:
        self.words, self.rng = words, rng
        # Each kind with its share in 36.
        kinds: list[tuple[Callable[[], str], int]] = [
            (lambda: " ".join(rng.choice(words)[:10]), 14),
            (self.digits, 7),
            (self.code, 3),
            (self.date, 5),
            (self.time, 2),
            (self.address, 3),
            (lambda: self.number(rng.randint(0, 99999)), 2),
        ]
        self.kinds = [kind for kind, share in kinds for _ in range(share)]

    def line(self) -> str:
        """Return one."""
        return self.rng.choice(self.kinds)()

    def below_hundred(self, n: int) -> str:
        """Return a number of at most two digits in words."""
        if n < 20:
            return (ONES + TEENS)[n]
        return TENS[n // 10 - 2] + (f" {ONES[n % 10]}" if n % 10 else "")

    def number(self, n: int) -> str:
        """Return a number below a million in words."""
        if n < 100:
            return self.below_hundred(n)
        if n < 1000:
            rest = self.rng.choice((" ", " and ")) + self.below_hundred(n % 100) if n % 100 else ""
            return f"{ONES[n // 100]} hundred{rest}"
        return f"{self.number(n // 1000)} thousand" + (f" {self.number(n % 1000)}" if n % 1000 else "")

    def digits(self) -> str:
        """Return a string of digits."""
        return " ".join(self.rng.choice([*ONES, "oh"]) for _ in range(self.rng.choice((1, 2, 3, 4, 5, 5, 7, 7, 10))))

    def code(self) -> str:
        """Return letters and digits mixed."""
        count = self.rng.randint(2, 7)
        return " ".join(self.rng.choice(LETTERS if self.rng.random() < 0.6 else ONES) for _ in range(count))

    def year(self) -> str:
        """Return a year from 1900 to 2030."""
        year = self.rng.randint(1900, 2030)
        century, rest = divmod(year, 100)
        if century == 20 and (rest < 10 or self.rng.random() < 0.5):
            return "two thousand" + (f" {self.below_hundred(rest)}" if rest else "")
        said = self.below_hundred(rest) if rest > 9 else f"oh {ONES[rest]}" if rest else "hundred"
        return f"{self.below_hundred(century)} {said}"

    def date(self) -> str:
        """Return a day, perhaps with its year."""
        n = self.rng.randint(1, 31)
        day = (
            ORDINALS[n - 1]
            if n <= 20
            else f"twenty {ORDINALS[n - 21]}"
            if n < 30
            else ("thirtieth", "thirty first")[n - 30]
        )
        month = self.rng.choice(MONTHS)
        counted = f"{month} {self.below_hundred(n)} {self.year()}"
        return self.rng.choice((f"{month} {day} {self.year()}", f"{month} {day}", f"the {day} of {month}", counted))

    def time(self) -> str:
        """Return a time of the day."""
        hour = self.below_hundred(self.rng.randint(1, 12))
        exact = f"{hour} {self.below_hundred(self.rng.randint(10, 59))} {self.rng.choice(('a m', 'p m'))}"
        return self.rng.choice((exact, f"half past {hour}", f"{hour} o'clock", f"quarter to {hour}"))

    def address(self) -> str:
        """Return a house number and a street."""
        return f"{self.number(self.rng.randint(1, 9999))} {self.rng.choice(self.words)} {self.rng.choice(STREETS)}"


def main(words_file: str, count: str, seed: str = "5") -> None:
    """Print the lines."""
    words = [word for word in Path(words_file).read_text(encoding="utf-8").lower().split() if word.isalpha()]
    items = Items(words, random.Random(int(seed)))
    for _ in range(int(count)):
        print(items.line())


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
