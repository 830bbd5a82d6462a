"""Reference codes of bank transfers: short, typed without error, and found again in what people write.

Nine characters of an alphabet without look-alikes; the last one checks the others. The check is a sum over
the field of 32 elements, so that one wrong character and any two that changed places are always noticed.
"""

import re
import secrets
import unicodedata

from fundraising.references import READABLE_ALPHABET

ALPHABET = READABLE_ALPHABET
LENGTH, GROUP = 9, 3
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_BETWEEN = re.compile(r"[\s\u200b\u200c\u200d\ufeff\u2010-\u2015\u2212\-_.·•/]+")
_RUN = re.compile(f"[{ALPHABET}]{{{LENGTH},}}")
_FIELD, _SIZE = 0b100101, 32  # x^5 + x^2 + 1: its root takes all 31 values before it comes again


def new() -> str:
    """Return a new random code: 40 random bits and their check character."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))
    return body + ALPHABET[_times_root(_sum(body))]


def shown(code: str) -> str:
    """Return a code as people read and write it: ``K7M 2QX 9TP``."""
    return " ".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def is_valid(code: str) -> bool:
    """Whether a text is a code that could have been given out."""
    return len(code) == LENGTH and set(code) <= _VALUES.keys() and _sum(code) == 0


def found_in(text: str) -> list[str]:
    """Return every valid code in a text, in order: spaces, dashes, case and width do not matter."""
    return [window for window in _windows(text) if is_valid(window)]


def nearly_in(text: str, code: str) -> bool:
    """Whether a text holds the code with exactly one wrong character."""
    return any(
        sum(a != b for a, b in zip(window, code, strict=True)) == 1 for window in _windows(text)
    )


def _windows(text: str) -> list[str]:
    plain = _BETWEEN.sub("", unicodedata.normalize("NFKC", text).upper())
    runs = _RUN.findall(plain)
    windows = [run[at : at + LENGTH] for run in runs for at in range(len(run) - LENGTH + 1)]
    return list(dict.fromkeys(windows))


def _sum(code: str) -> int:
    total = 0
    for character in code:
        total = _times_root(total) ^ _VALUES[character]
    return total


def _times_root(value: int) -> int:
    doubled = value << 1
    return doubled ^ _FIELD if doubled >= _SIZE else doubled
