"""A channel's day: bill, books and bank, with every difference by its kind, and again without a change."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.audit import queries as audit_queries
from fundraising.audit import service as audit
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.funds import queries as funds
from fundraising.giving import reconciling, settlement
from fundraising.giving.models import Gift
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import JournalEntry
from fundraising.money import Money
from fundraising.payments import differences, reconciliation, statements
from fundraising.payments.errors import ExplanationMissing, SamePerson
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillRow,
    BillStatus,
    ProviderUnavailable,
    RefundRequest,
    RefundResult,
    RefundState,
    RowKind,
)
from fundraising.payments.reconciliation_models import Difference, DifferenceKind
from fundraising.payments.statements import NewBankLine
from tests import wechat
from tests.giving.test_refunds import back
from tests.giving.test_settlement import paid, state_of

CLEARING = chart.clearing("wechatpay")
Start = Callable[..., Gift]


@dataclass
class Bills:
    """A provider's statements as a test writes them."""

    trade: list[BillRow] = field(default_factory=list)
    flow: list[BillRow] = field(default_factory=list)
    status: BillStatus = BillStatus.READY
    fault: Exception | None = None
    refunds: dict[str, RefundResult] = field(default_factory=dict)
    name: str = "wechatpay"
    account: str = wechat.MCHID
    bill_kinds: tuple[BillKind, ...] = (BillKind.TRADE, BillKind.FUND_FLOW)

    def fetch_bill(self, day: date, kind: BillKind, into: Path) -> BillStatus:
        if self.fault is not None:
            raise self.fault
        into.write_text(repr((day, kind, self.trade, self.flow)))
        return self.status

    def read_bill(self, file: Path, kind: BillKind) -> Iterator[BillRow]:
        assert file.exists()
        return iter(self.trade if kind is BillKind.TRADE else self.flow)

    def query_refund(self, request: RefundRequest) -> RefundResult:
        return self.refunds.get(request.refund_no, RefundResult(RefundState.PROCESSING))


DAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 10, 12, tzinfo=clock.SHANGHAI)


@pytest.fixture
def bills(app: Flask, session: Session, wechatpay: None) -> Bills:
    del session, wechatpay
    made = Bills()
    app.extensions["providers"]["wechatpay"] = made
    return made


@pytest.fixture
def start_before(app: Flask, start: Start) -> Start:
    """Starts gifts while the real adapter is in place."""

    def started(fen: int = 1000) -> Gift:
        kept = app.extensions["providers"]["wechatpay"]
        app.extensions["providers"]["wechatpay"] = wechat.provider()
        gift = start(fen)
        app.extensions["providers"]["wechatpay"] = kept
        return gift

    return started


def line(gift: Gift, **changed: Any) -> BillRow:
    row = BillRow(
        RowKind.PAID,
        f"T{gift.order_no}",
        gift.order_no,
        f"T{gift.order_no}",
        gift.amount_fen,
        "2026-11-10 12:00:00+08",
        "o-1",
    )
    return row._replace(**changed)


def flow_of(*rows: BillRow) -> list[BillRow]:
    return [row._replace(ref=f"F{row.ref}", merchant_ref="") for row in rows if row.kind == "paid"]


def run(bills: Bills, day: date = DAY) -> reconciliation.Outcome:
    return reconciling.run(bills, day)  # type: ignore[arg-type]


def kinds() -> list[str]:
    query = select(Difference.kind).where(Difference.vanished_at.is_(None))
    return sorted(db.session.execute(query).scalars())


def count(model: Any) -> int:
    return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def test_case_74_a_lost_notice_is_settled_by_the_bill_at_the_time_of_payment(
    bills: Bills, start_before: Start, campaign: Campaign
) -> None:
    gift = start_before()
    bills.trade = [line(gift)]
    bills.flow = flow_of(*bills.trade)

    done = run(bills)

    assert (done.state, state_of(gift)) == ("balanced", "paid")
    db.session.refresh(gift)
    assert gift.paid_at == NOON
    assert (done.sums["bill_paid_fen"], done.sums["our_paid_fen"]) == (1000, 1000)
    assert funds.totals(campaign.fund_id).raised_fen == 1000
    assert checks.run_here() == []


def test_case_81_running_a_day_again_changes_nothing(bills: Bills, start_before: Start) -> None:
    gift = start_before()
    bills.trade = [line(gift), line(gift, ref="T-STRAY", merchant_ref="NOBODY")]
    fee = BillRow(RowKind.FEE, "G1", "", f"T{gift.order_no}", 6, "2026-11-10 12:00:00+08")
    bills.flow = [*flow_of(*bills.trade), fee]
    run(bills)
    before = (count(JournalEntry), count(Difference), ledger.balance(CLEARING))

    again = run(bills)

    assert (count(JournalEntry), count(Difference), ledger.balance(CLEARING)) == before
    assert again.differences == 1
    assert checks.run_here() == []


def test_fees_are_booked_on_the_fund_their_payments_went_to(
    bills: Bills, start_before: Start, campaign: Campaign
) -> None:
    gift = start_before(10_000)
    bills.trade = [line(gift)]
    fee = BillRow(RowKind.FEE, "G1", "", f"T{gift.order_no}", 60, "2026-11-10 12:00:00+08")
    bills.flow = [*flow_of(*bills.trade), fee]

    assert run(bills).sums["fees_booked_fen"] == 60
    assert funds.totals(campaign.fund_id).fees_fen == 60
    bills.flow.append(fee._replace(ref="G2", minor=5))
    run(bills)
    assert funds.totals(campaign.fund_id).fees_fen == 65
    assert DifferenceKind.BILL_CHANGED in kinds()
    assert ledger.balance(CLEARING) == Money(9_935)
    assert checks.run_here() == []


def test_case_61_an_orphan_of_the_bill_is_booked_once_and_shown(bills: Bills, start: Start) -> None:
    del start
    bills.trade = [
        BillRow(RowKind.PAID, "T-X", "NOBODY", "T-X", 700, "2026-11-10 12:00:00+08", "o-9")
    ]
    bills.flow = flow_of(*bills.trade)

    run(bills)

    assert ledger.balance(chart.SUSPENSE) == Money(-700)
    assert kinds() == [DifferenceKind.ORPHAN]


def test_case_89_money_only_we_know_of_is_an_alarm(bills: Bills, start_before: Start) -> None:
    gift = start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON)])
    bills.status = BillStatus.EMPTY

    assert run(bills).state == "differences"
    assert kinds() == [DifferenceKind.OURS_ONLY]


def test_case_83_a_payment_on_the_next_days_bill_is_no_difference(
    bills: Bills, start_before: Start
) -> None:
    gift = start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON)])
    bills.status = BillStatus.EMPTY
    run(bills)
    bills.status = BillStatus.READY
    bills.trade = [line(gift)]
    bills.flow = flow_of(*bills.trade)
    run(bills, DAY + timedelta(days=1))

    bills.status = BillStatus.EMPTY
    assert run(bills).state == "balanced"
    assert kinds() == []


def test_another_amount_and_a_doubled_line_are_told_apart(
    bills: Bills, start_before: Start
) -> None:
    gift, other = start_before(), start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON), paid(other, occurred_at=NOON)])
    bills.trade = [line(gift, minor=999), line(other), line(other)]
    bills.flow = flow_of(*bills.trade)

    run(bills)

    assert kinds() == [DifferenceKind.AMOUNT, DifferenceKind.DUPLICATE_LINE]


def test_a_balance_that_moved_otherwise_than_the_trades_is_seen(
    bills: Bills, start_before: Start
) -> None:
    gift = start_before()
    bills.trade = [line(gift)]
    odd = BillRow(RowKind.OTHER, "Z1", "", "", 3, "2026-11-10 12:00:00+08")
    bills.flow = [odd]

    run(bills)

    assert kinds() == [DifferenceKind.AMOUNT, DifferenceKind.UNKNOWN_MOVEMENT]


def test_a_refund_the_bill_names_is_asked_about_and_booked(
    bills: Bills, start_before: Start
) -> None:
    gift = start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON)])
    refund = line(gift, kind=RowKind.REFUND, ref="CONSOLE1", minor=400, is_final=False)
    bills.trade = [line(gift), refund]
    bills.flow = flow_of(*bills.trade)
    run(bills)
    assert kinds() == [DifferenceKind.REFUND_ONLY_BILL]

    said = back(gift, 400, "CONSOLE1", occurred_at=NOON)
    bills.refunds["CONSOLE1"] = RefundResult(RefundState.SUCCEEDED, [said])
    assert run(bills).state == "balanced"
    assert state_of(gift) == "partly_refunded"
    assert checks.run_here() == []


def test_a_refund_only_we_know_of_is_a_difference(bills: Bills, start_before: Start) -> None:
    gift = start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON)])
    settlement.apply_facts([back(gift, 400, "R1", occurred_at=NOON)])
    bills.trade = [line(gift)]
    bills.flow = flow_of(*bills.trade)

    run(bills)

    assert kinds() == [DifferenceKind.REFUND_ONLY_OURS]


def test_case_90_a_payout_waits_for_the_bank_and_closes_against_its_line(
    bills: Bills, start_before: Start
) -> None:
    gift = start_before()
    bills.trade = [line(gift)]
    payout = BillRow(RowKind.PAYOUT, "P1", "", "P1", 1000, "2026-11-10 18:00:00+08")
    bills.flow = [*flow_of(*bills.trade), payout]
    run(bills)
    assert kinds() == [DifferenceKind.PAYOUT_NOT_AT_BANK]

    statements.import_lines("main", [NewBankLine("B1", NOON + timedelta(days=1), Money(1000))])
    assert run(bills).state == "balanced"
    assert (ledger.balance(chart.BANK), ledger.balance(CLEARING)) == (Money(1000), Money(0))
    assert checks.run_here() == []


def test_two_bank_lines_it_could_be_are_left_to_a_person(bills: Bills, start_before: Start) -> None:
    gift = start_before(3000)
    bills.trade = [line(gift)]
    payout = BillRow(RowKind.PAYOUT, "P1", "", "P1", 1000, "2026-11-10 18:00:00+08")
    bills.flow = [*flow_of(*bills.trade), payout]
    after = NOON + timedelta(days=1)
    statements.import_lines(
        "main", [NewBankLine("B1", after, Money(1000)), NewBankLine("B2", after, Money(1000))]
    )

    run(bills)

    assert kinds() == [DifferenceKind.PAYOUT_NOT_AT_BANK]
    assert ledger.balance(chart.BANK) == Money(0)


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"status": BillStatus.NOT_READY}, "waiting"),
        ({"fault": ProviderUnavailable("away")}, "waiting"),
        ({"fault": BillBroken("hash")}, "differences"),
    ],
)
def test_cases_75_79_a_bill_that_cannot_be_had_books_nothing(
    bills: Bills, changed: dict[str, Any], state: str
) -> None:
    done = run(replace(bills, **changed))

    assert done.state == state
    assert count(JournalEntry) == 0
    is_open = reconciliation.is_done("wechatpay", wechat.MCHID, DAY)
    assert is_open is (state == "differences")


def test_one_person_explains_and_another_closes(
    bills: Bills, start_before: Start, make_staff: Callable[..., User]
) -> None:
    gift = start_before()
    settlement.apply_facts([paid(gift, occurred_at=NOON)])
    bills.status = BillStatus.EMPTY
    run(bills)
    (difference,) = db.session.execute(select(Difference)).scalars()
    one, two = make_staff("finance"), make_staff("finance")

    with pytest.raises(ExplanationMissing):
        differences.close(difference.id, two.id)
    differences.take(difference.id, one.id)
    differences.explain(difference.id, "a test payment", one.id)
    with pytest.raises(SamePerson):
        differences.close(difference.id, one.id)
    differences.close(difference.id, two.id)

    assert differences.count_open() == 0

    audit.close_alarm("payments:reconciliation:wechatpay", one.id)
    run(bills)
    assert audit_queries.open_alarms() == []
