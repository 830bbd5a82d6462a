"""What is asked for, and at the very end refused, when too many checkouts are opened."""

from http import HTTPStatus
from typing import Any

from fundraising.errors import DomainError
from fundraising.floods.puzzles import Puzzle
from fundraising.i18n import lazy_gettext as _l


class PuzzleWanted(DomainError):
    """A puzzle has to be solved first; ``extra['challenge']`` is it, also for machines that are donors' tools."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "challenge"
    message = _l("One small step first: please show that you are not a machine.")

    def __init__(self, puzzle: Puzzle) -> None:
        super().__init__(challenge=puzzle.as_json())
        self.puzzle = puzzle


class TooManyCheckouts(DomainError):
    """Far more unpaid checkouts than any donor or work unit opens, puzzles solved or not."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_checkouts"
    message = _l(
        "Too many unpaid orders were opened here. Please pay one of them, or try again in an hour."
    )

    def __init__(self, **extra: Any) -> None:
        super().__init__(**extra)
