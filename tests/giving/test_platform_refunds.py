"""A platform gives gifts back: each refund is booked once, and its payouts close against gifts less refunds."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.funds import queries as funds
from fundraising.funds import service as fund_service
from fundraising.giving import import_batches, platform_payouts, platform_refunds, refunds
from fundraising.giving.errors import NotByThisRoad
from fundraising.giving.import_models import GiftImport
from fundraising.giving.platform_payouts import PayoutDiffers
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as books
from fundraising.money import Money
from fundraising.outbox.models import Work
from fundraising.payments import reviews
from fundraising.payments.models import ProviderFact
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.giving.test_imports import bank_line, file_of, gift, row, take

__all__ = ["take"]
Take = Callable[..., GiftImport]
AT_PLATFORM = chart.clearing("gongyibao")


def again(campaign: Campaign, *rows: str) -> GiftImport:
    """Takes a file over whose bytes differ, though its lines are known."""
    data = file_of(*rows, row("U", status="待支付"))
    return import_batches.take_over(campaign, "gongyibao", data, "again.csv", None)


def test_spent_fen_of_a_refunded_gift_are_taken_over_by_another(
    take: Take, campaign: Campaign, make: Make
) -> None:
    take(row("G1"), row("G2"))
    line = make.line(campaign.fund_id, 800)
    fund_service.draw(line.id, Money(800))

    take(row("G1", "-10.00"))

    given_back, other = funds.trace(gift("G1").id), funds.trace(gift("G2").id)
    assert given_back is not None
    assert other is not None
    assert (given_back.refunded_fen, given_back.draws) == (1000, [])
    assert [draw.fen for draw in other.draws] == [800]
    assert funds.totals(campaign.fund_id).raised_fen == 1000
    kinds = [work.kind for work in db.session.execute(select(Work)).scalars()]
    assert "receipts.follow_refund" in kinds
    assert checks.run_here() == []


@pytest.mark.parametrize(
    "rows",
    [
        (row("G1", "-3.00"), row("G1", "-2.00")),
        (row("G1", "-3.00"), row("G1", status="已退款")),
    ],
)
def test_the_same_refund_again_is_booked_once(
    take: Take, campaign: Campaign, rows: tuple[str, ...]
) -> None:
    take(row("G1"), row("G2"))
    take(*rows)
    gone = gift("G1").refunded_fen

    again(campaign, *rows)
    again(campaign, rows[0])

    assert gone in (500, 1000)
    assert gift("G1").refunded_fen == gone
    assert books.balance(AT_PLATFORM) == Money(2000 - gone)


def test_a_sum_that_grows_books_only_the_difference_and_explains_later_events(
    campaign: Campaign,
) -> None:
    def file(back: str, *more: str) -> bytes:
        head = "捐赠编号,捐赠时间,捐赠金额(元),状态,退款金额"
        lines = [head, f"G1,2024-05-08 10:30:00,10.00,成功,{back}", *more]
        return "\n".join(lines).encode()

    for back in ("", "3.00", "5.00"):
        import_batches.take_over(campaign, "gongyibao", file(back), "g.csv", None)
    event = "G1,2024-05-20 10:00:00,-2.00,已退款,"
    import_batches.take_over(campaign, "gongyibao", file("5.00", event), "g.csv", None)

    assert gift("G1").refunded_fen == 500
    told = db.session.execute(select(ProviderFact).order_by(ProviderFact.id)).scalars()
    assert [fact.amount_fen for fact in told] == [300, 200]


def test_a_second_refund_of_the_size_of_a_sum_told_before_is_said_by_a_person(
    campaign: Campaign, make_staff: Callable[..., User], frozen_clock: FrozenClock
) -> None:
    def take_over(*lines: str) -> GiftImport:
        head = "捐赠编号,捐赠时间,捐赠金额(元),状态,退款金额"
        data = "\n".join([head, *lines]).encode()
        return import_batches.take_over(campaign, "gongyibao", data, "g.csv", None)

    gift_line, actor = "G1,2024-05-08 10:30:00,10.00,成功,", make_staff("finance").id
    take_over(f"{gift_line}3.00")
    first, second = (f"G1,2024-05-{day} 10:00:00,-3.00,已退款," for day in (20, 21))
    batch = take_over(first)
    take_over(second)
    take_over(f"{gift_line}3.00", first)

    assert [kept[4] for kept in batch.detail["refunds"]] == ["doubtful"]
    same, another = reviews.open_reviews()
    assert (gift("G1").refunded_fen, another.detail["told_fen"]) == (300, 300)
    reviews.close(same.id, actor, "the sum was this")
    platform_refunds.book_told(another.id, note="the platform confirms two", actor_id=actor)
    take_over(first, second)

    assert (gift("G1").refunded_fen, reviews.open_reviews()) == (600, [])
    with pytest.raises(NotByThisRoad):
        platform_refunds.book_told(another.id, note="again", actor_id=actor)
    frozen_clock.move(days=3)
    take_over(f"G1,{clock.today() - timedelta(days=1)} 10:00:00,-3.00,已退款,")
    assert gift("G1").refunded_fen == 900  # what happened after the sum was told is not in it
    assert checks.run_here() == []


def test_the_lump_sum_closes_gifts_less_refunds_less_fee(take: Take) -> None:
    take(row("G1", "100.00"), row("G2", "50.00"))
    take(row("G2", "-20.00"))
    (batch,) = platform_payouts.waiting("gongyibao")
    assert batch.waiting_fen == 13_000
    line = bank_line(12_900)
    proposal = platform_payouts.propose("gongyibao", line.id, [batch.id], Money(100))
    assert proposal.is_exact

    platform_payouts.close("gongyibao", line.id, [batch.id], Money(100), None)

    assert platform_payouts.waiting("gongyibao") == []
    assert books.balance(AT_PLATFORM) == Money(0)
    assert checks.run_here() == []


def test_a_fee_kept_of_a_refunded_gift_too_is_proposed_where_it_fits_to_the_fen(take: Take) -> None:
    take(row("G1", "100.00", fee="1.00"), row("G2", "50.00", fee="0.50"))
    take(row("G2", "-20.00"))
    ids = [batch.id for batch in platform_payouts.waiting("gongyibao")]
    cases = [(12_850, "S1", 150), (12_870, "S2", 130), (12_000, "S3", 130)]

    for fen, serial, fee in cases:
        line = bank_line(fen, serial)
        assert platform_payouts.propose("gongyibao", line.id, ids).fee_fen == fee


def test_a_refund_of_money_paid_out_is_set_off_against_the_next_payout(take: Take) -> None:
    first = take(row("G1", "100.00"))
    platform_payouts.close("gongyibao", bank_line(10_000).id, [first.id], Money(0), None)
    second = take(row("G3", "80.00"), row("G1", "-30.00"))
    assert books.balance(AT_PLATFORM) == Money(5000)
    db.session.refresh(first)
    assert first.waiting_fen == -3000
    assert platform_payouts.waiting_fen() == {"gongyibao": 5000}
    line = bank_line(4950, "S2")
    with pytest.raises(PayoutDiffers):
        platform_payouts.close("gongyibao", line.id, [second.id], Money(50), None)

    closed = platform_payouts.close("gongyibao", line.id, [first.id, second.id], Money(50), None)

    parts = {p.import_id: p.amount_fen for p in platform_payouts.payouts("gongyibao")[0].parts}
    assert closed.net_fen == 4950
    assert parts == {first.id: -3000, second.id: 8000}
    assert platform_payouts.waiting("gongyibao") == []
    assert books.balance(AT_PLATFORM) == Money(0)
    assert checks.run_here() == []


def test_more_than_a_gift_holds_waits_for_a_person(take: Take, campaign: Campaign) -> None:
    take(row("G1"))

    batch = take(row("G1", "-7.00"), row("G1", "-8.00"))

    assert gift("G1").refunded_fen == 700
    assert [kept[4] for kept in batch.detail["refunds"]] == ["booked", "open"]
    (review,) = reviews.open_reviews()
    assert (review.kind, review.detail["amount_fen"]) == ("platform_refund", 800)


def test_what_the_fund_has_spent_is_covered_by_the_chapter(
    take: Take, campaign: Campaign, make: Make, make_staff: Callable[..., User]
) -> None:
    take(row("G1"))
    fund_service.draw(make.line(campaign.fund_id, 1000).id, Money(1000))
    take(row("G1", "-10.00"))
    assert books.balance(chart.TO_BE_COVERED) == Money(1000)
    (review,) = reviews.open_reviews()

    refunds.cover(review.id, make_staff("finance").id)

    assert books.balance(chart.TO_BE_COVERED) == Money(0)
    assert funds.totals(campaign.fund_id).by_source == {"chapter": 1000}
    assert checks.run_here() == []


def test_the_desk_and_the_donor_see_the_refund(
    take: Take, staff_client: Callable[..., FlaskClient], client: FlaskClient
) -> None:
    take(row("G1"))
    take(row("G1", "-4.00"))

    desk = staff_client("finance").get(f"/staff/orders/{gift('G1').ref}").text
    assert "从捐赠中扣除" in desk or "已退款" in desk
    assert "退还给您" in client.get(f"/t/{gift('G1').token}").text
