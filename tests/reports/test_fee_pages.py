"""Finance closes a provider's account: the lump sum by the bank, the fee from the settlement."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fundraising.audit import queries as audit
from fundraising.campaigns.models import Campaign
from fundraising.funds import queries as funds
from fundraising.ledger import chart
from fundraising.ledger import queries as books
from fundraising.money import Money
from fundraising.payments import statements
from tests.factories import Make

Staff = Callable[[str], FlaskClient]
STATEMENT = "交易时间,交易流水号,贷方发生额\n2024-05-20 09:00:00,LUMP1,99.40\n"


@pytest.fixture
def campaign(make: Make, session: Session) -> Campaign:
    """A campaign that got a hundred yuan through a provider."""
    made = make.campaign()
    make.money(made.fund_id, 6_000, 4_000)
    session.commit()
    return made


def fee(browser: FlaskClient, campaign: Campaign, amount: str = "0.60", **other: str) -> int:
    values = {
        "provider": "wechatpay",
        "fund": str(campaign.fund_id),
        "amount": amount,
        "kept_on": "2024-05-20",
        "reference": "SETTLE-1",
    }
    return browser.post("/staff/finance/fees", data=values | other).status_code


def test_lump_sum_and_fee_close_what_waits_to_the_fen(
    staff_client: Staff, campaign: Campaign
) -> None:
    browser = staff_client("finance")
    statements.import_csv("1305", STATEMENT.encode())
    line = statements.find("1305", "LUMP1")

    assert (
        browser.post(f"/staff/finance/bank/{line.id}", data={"as": "wechatpay"}).status_code == 303
    )
    assert fee(browser, campaign) == fee(browser, campaign) == 303

    assert books.balance(chart.clearing("wechatpay")) == Money.zero()
    assert books.balance(chart.FUNDRAISING_COST) == Money(60)
    assert funds.lane(campaign.fund_id).unspent_fen == 9940
    assert [e.action for e in audit.events()].count("fee.booked") == 1
    assert sum(row.amount_minor for row in books.trial_balance()) == 0
    page = browser.get("/staff/finance/bank?booked=1").text
    assert "LUMP1" in page
    assert books.entry(line.entry_id).voucher in page  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "other", "status"),
    [
        ("100.01", {}, 409),
        ("0", {}, 422),
        ("0.001", {}, 422),
        ("0.60", {"reference": ""}, 422),
        ("0.60", {"provider": "nobody"}, 422),
        ("0.60", {"fund": "018f0000-0000-7000-8000-000000000000"}, 422),
        ("0.60", {"kept_on": "2999-01-01"}, 422),
    ],
)
def test_a_fee_that_cannot_be_is_refused(
    staff_client: Staff, campaign: Campaign, amount: str, other: dict[str, str], status: int
) -> None:
    assert fee(staff_client("finance"), campaign, amount, **other) == status
    assert books.balance(chart.FUNDRAISING_COST) == Money.zero()


def test_the_same_settlement_is_not_booked_with_another_amount(
    staff_client: Staff, campaign: Campaign
) -> None:
    browser = staff_client("finance")

    assert fee(browser, campaign) == 303
    assert fee(browser, campaign, "0.70") == 409

    assert books.balance(chart.FUNDRAISING_COST) == Money(60)


def test_the_first_page_of_finance_counts_bank_lines(staff_client: Staff, session: Session) -> None:
    del session
    statements.import_csv("1305", STATEMENT.encode())

    assert "未入账的银行流水" in staff_client("finance").get("/staff").text
