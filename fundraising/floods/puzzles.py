"""Puzzles of our own: a number to be found by counting, or a small sum; signed, bound, nothing stored.

The browser looks for the number whose SHA-256 with the nonce is the target. Who has no JavaScript
answers the sum instead. Both come from the nonce under our key, so the signed puzzle is all there is;
it holds for one campaign, one amount and ten minutes, and the database lets it be used once.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fundraising import clock, sealing

VALID = timedelta(minutes=10)
DIGITS = {
    "zh": ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"],
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
}
PLUS = {"zh": "加", "en": " plus "}


@dataclass(frozen=True)
class Bound:
    """What a puzzle is for."""

    campaign_id: UUID
    amount_fen: int


@dataclass(frozen=True)
class Solution:
    """What came back: the puzzle, with a number found or a sum answered."""

    token: str
    number: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Puzzle:
    """A puzzle to be shown. ``most`` is how far the browser may have to count."""

    token: str
    nonce: str
    target: str
    most: int
    addends: tuple[int, int]

    def question(self, language: str) -> str:
        """Return the sum in words, which donors read and simple machines do not."""
        return PLUS[language].join(DIGITS[language][addend] for addend in self.addends)

    def as_json(self) -> dict[str, Any]:
        """Return what a program needs: find n below ``most`` with sha256(nonce ":" n) = target."""
        return {
            "algorithm": "SHA-256",
            "nonce": self.nonce,
            "target": self.target,
            "most": self.most,
            "token": self.token,
            "question": f"{self.question('en')} = ?",
        }


class NotSolved(Exception):
    """Forged, for something else, too late, or wrong."""


def make(bound: Bound, most: int) -> Puzzle:
    """Return a new puzzle for one checkout."""
    expires = int((clock.now() + VALID).timestamp())
    nonce = secrets.token_urlsafe(12).replace(".", "_")
    token = f"{nonce}.{expires}.{most}"
    return _puzzle(f"{token}.{_signature(token, bound)}")


def check(solution: Solution, bound: Bound) -> tuple[str, datetime]:
    """Return the nonce of a solved puzzle and until when it would hold. Raises NotSolved."""
    body, _, signature = solution.token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(body, bound).encode()):
        raise NotSolved
    puzzle = _puzzle(solution.token)
    expires = _expires(solution.token)
    if expires < clock.now() or not _is_right(puzzle, solution):
        raise NotSolved
    return puzzle.nonce, expires


def nonce_of(token: str) -> tuple[str, datetime] | None:
    """Return the nonce of a token and when it ends, None when it has not the form of one."""
    try:
        return token.split(".")[0][:40], _expires(token)
    except (ValueError, IndexError, OverflowError):
        return None


def _is_right(puzzle: Puzzle, solution: Solution) -> bool:
    number, answer = solution.number.strip(), solution.answer.strip()
    if number.isdecimal() and len(number) < 10:
        return hmac.compare_digest(_hash(puzzle.nonce, int(number)), puzzle.target)
    return answer.isdecimal() and len(answer) < 4 and int(answer) == sum(puzzle.addends)


def _puzzle(token: str) -> Puzzle:
    nonce, _, most, _ = token.split(".")
    drawn = hashlib.sha256(sealing.fingerprint("puzzle-answer", nonce).encode()).digest()
    number = int.from_bytes(drawn[:8]) % int(most)
    addends = (2 + drawn[8] % 8, 2 + drawn[9] % 8)
    return Puzzle(token, nonce, _hash(nonce, number), int(most), addends)


def _expires(token: str) -> datetime:
    return datetime.fromtimestamp(int(token.split(".")[1]), UTC)


def _hash(nonce: str, number: int) -> str:
    return hashlib.sha256(f"{nonce}:{number}".encode()).hexdigest()


def _signature(token: str, bound: Bound) -> str:
    return sealing.fingerprint("puzzle", f"{token}:{bound.campaign_id}:{bound.amount_fen}")
