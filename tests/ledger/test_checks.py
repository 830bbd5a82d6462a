"""Each check of the books sees its fault when somebody with all rights tampers behind every trigger."""

from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from fundraising.database import db, transaction
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource
from fundraising.ledger import checks
from fundraising.money import Money
from local.postgres import Postgres
from tests.factories import Make

TAMPERING = {
    "every entry is balanced and whole": "DELETE FROM ledger_posting WHERE line = 1 AND amount_minor = 50",
    "the trial balance is zero": "UPDATE ledger_posting SET amount_minor = amount_minor + 1 WHERE amount_minor > 0",
    "totals shown are the sums of postings": "DELETE FROM ledger_total_delta",
    "vouchers are numbered without gaps": "UPDATE ledger_entry SET voucher_no = 99 WHERE voucher_no = 1",
    "lots of a fund lie end to end": "UPDATE fund_lot SET start_fen = 101 WHERE ordinal = 2",
    "draws are lots less refunds less unspent": "UPDATE fund_lane SET drawn_fen = drawn_fen - 1",
    "no fen is drawn twice or drawn and refunded": (
        "INSERT INTO fund_lot_refund (fund_id, source_id, start_fen, end_fen, refunded_at) "
        "SELECT fund_id, source_id, 0, 1, now() FROM fund_lot WHERE ordinal = 1"
    ),
    "spending lines stay within their amounts": "UPDATE fund_spending_line SET amount_fen = 1",
    "reservations of a fund are those of its lines": "UPDATE fund_lane SET reserved_fen = reserved_fen - 1",
    "income of a fund is its lots less refunds": "UPDATE ledger_posting SET fund_id = NULL",
}


def books_with_everything() -> None:
    make = Make(db.session())
    fund = make.fund()
    make.money(fund.id, 100, 50, source=LotSource.GRANT)
    make.money(fund.id, 50, source=LotSource.GRANT)
    line = make.line(fund.id, 150)
    funds.draw(line.id, Money(60), unit_id=uuid4())
    funds.draw(line.id, Money(10), unit_id=uuid4())
    funds.reserve(line.id, Money(20))


@pytest.mark.parametrize("name", TAMPERING)
def test_a_check_sees_its_fault(own_database: Flask, postgres: Postgres, name: str) -> None:
    with transaction():
        books_with_everything()
    assert checks.run_all() == []
    db.session.rollback()

    with postgres.connect(database=str(db.engine.url.database)) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(TAMPERING[name])

    assert name in {finding.check for finding in checks.run_all()}
    db.session.rollback()


def test_every_check_of_books_and_funds_is_tried_here() -> None:
    of_slices = (
        "gift",
        "bank",
        "cash",
        "goods",
        "match",
        "pledge",
        "fact",
        "device",
        "purchase",
        "days",
        "campaign",
        "training",
        "payment",
    )
    ours = {n for n in checks.names() if not any(word in n for word in of_slices)}

    assert ours == set(TAMPERING)


def test_findings_are_bounded(session: Session) -> None:
    checks.register("a hundred faults", "SELECT n::text AS what FROM generate_series(1, 100) AS n")
    try:
        found = checks._checks["a hundred faults"]()
    finally:
        del checks._checks["a hundred faults"]

    assert len(found) == checks.MOST_FINDINGS
