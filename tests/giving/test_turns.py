"""Sets of one file are begun side by side and booked in their order; a failure ends all after it."""

import threading

import pytest
from flask import Flask
from sqlalchemy import select

from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.funds.models import Lot
from fundraising.giving import import_batches, turns
from fundraising.giving.models import Gift
from fundraising.giving.turns import OutOfTurn, Turn
from fundraising.ledger import checks
from tests.factories import Make
from tests.giving.test_imports import file_of, row


def always() -> bool:
    return True


def test_the_second_begins_before_the_first_ends_but_follows_it(app: Flask) -> None:
    events: list[str] = []
    second_began = threading.Event()

    def do(name: str, turn: Turn) -> None:
        events.append(f"begin {name}")
        if name == "b":
            second_began.set()
        elif name == "a":
            assert second_began.wait(10)
        turn()
        events.append(f"book {name}")

    assert turns.in_order(["a", "b", "c", "d"], do, always)
    assert [event for event in events if event.startswith("book")] == [
        "book a",
        "book b",
        "book c",
        "book d",
    ]
    assert events.index("begin b") < events.index("book a")


def test_what_comes_after_a_failure_is_not_booked(app: Flask) -> None:
    booked: list[int] = []

    def do(number: int, turn: Turn) -> None:
        turn()
        if number == 2:
            raise KeyError(number)
        booked.append(number)

    with pytest.raises(KeyError):
        turns.in_order(range(6), do, always)

    assert booked == [0, 1]


def test_a_set_whose_turn_never_comes_gives_up(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    gave_up = threading.Event()

    def do(number: int, turn: Turn) -> None:
        if number == 0:
            assert gave_up.wait(10)
        try:
            turn()
        finally:
            gave_up.set()

    with pytest.raises(OutOfTurn):
        turns.in_order(range(2), do, always)


def test_the_first_set_is_done_when_time_is_over_no_other_is(app: Flask) -> None:
    done: list[int] = []

    assert not turns.in_order(range(3), lambda number, _: done.append(number), lambda: False)
    assert done == [0]


def test_a_file_in_many_sets_is_booked_in_its_order(
    own_database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batches, "SET_SIZE", 3)
    numbers = [f"G{n:02d}" for n in range(20)]
    with transaction():
        campaign: Campaign = Make(db.session()).campaign()

    batch = import_batches.take_over(
        campaign, "gongyibao", file_of(*[row(number) for number in numbers]), "g.csv", None
    )

    lots = select(Gift.external_ref).join(Lot, Lot.source_id == Gift.id).order_by(Lot.ordinal)
    assert list(db.session.execute(lots).scalars()) == numbers
    assert (batch.state, batch.new_count, batch.amount_fen) == ("done", 20, 20_000)
    db.session.rollback()
    assert checks.run_all() == []
