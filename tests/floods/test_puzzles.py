"""Puzzles: solved by counting or by a sum, bound to gift and time, forged by nobody."""

import hashlib
from uuid import uuid4

import pytest
from flask import Flask

from fundraising.floods import puzzles
from fundraising.floods.puzzles import Bound, NotSolved, Puzzle, Solution
from tests.conftest import FrozenClock

BOUND = Bound(uuid4(), 10_000)


def count(puzzle: Puzzle) -> str:
    """Find the number as a browser does."""
    for number in range(puzzle.most):
        if hashlib.sha256(f"{puzzle.nonce}:{number}".encode()).hexdigest() == puzzle.target:
            return str(number)
    raise AssertionError("There is no number.")


def test_a_number_found_or_a_sum_answered_solves_it(app: Flask) -> None:
    puzzle = puzzles.make(BOUND, 500)

    assert puzzles.check(Solution(puzzle.token, number=count(puzzle)), BOUND)[0] == puzzle.nonce
    assert puzzles.check(Solution(puzzle.token, answer=str(sum(puzzle.addends))), BOUND)


@pytest.mark.parametrize("other", [Bound(BOUND.campaign_id, 10_001), Bound(uuid4(), 10_000)])
def test_it_is_bound_to_campaign_and_amount(app: Flask, other: Bound) -> None:
    puzzle = puzzles.make(BOUND, 500)

    with pytest.raises(NotSolved):
        puzzles.check(Solution(puzzle.token, answer=str(sum(puzzle.addends))), other)


def test_it_holds_for_ten_minutes(app: Flask, frozen_clock: FrozenClock) -> None:
    puzzle = puzzles.make(BOUND, 500)
    frozen_clock.move(minutes=11)

    with pytest.raises(NotSolved):
        puzzles.check(Solution(puzzle.token, answer=str(sum(puzzle.addends))), BOUND)


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "1"},
        {"answer": ""},
        {"answer": "²"},
        {"number": "-1"},
        {"number": "9" * 30},
        {"token": ""},
        {"token": "a.b.c"},
        {"token": "a.b.c.d"},
        {"token": "....."},
    ],
)
def test_nonsense_solves_nothing(app: Flask, change: dict[str, str]) -> None:
    values = {"token": puzzles.make(BOUND, 500).token, **change}

    with pytest.raises(NotSolved):
        puzzles.check(Solution(**values), BOUND)


def test_an_easier_puzzle_cannot_be_forged_from_a_hard_one(app: Flask) -> None:
    nonce, expires, _most, signature = puzzles.make(BOUND, 640_000).token.split(".")

    with pytest.raises(NotSolved):
        puzzles.check(Solution(f"{nonce}.{expires}.1.{signature}", number="0"), BOUND)
