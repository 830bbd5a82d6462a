"""Gifts (人次) are gifts received: one that went back whole is counted and listed no more."""

from collections.abc import Callable

from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from fundraising.campaigns.models import Campaign
from fundraising.funds import queries as funds
from fundraising.giving import settlement
from fundraising.giving.models import Gift
from fundraising.ledger import checks
from fundraising.payments.providers.base import FactKind
from tests.giving.test_refunds import back
from tests.giving.test_settlement import paid

Start = Callable[..., Gift]


def test_only_a_gift_that_went_back_whole_is_not_counted_as_received(
    start: Start, campaign: Campaign, client: FlaskClient, session: Session
) -> None:
    one, two, three = [start(fen) for fen in (1111, 2222, 3333)]
    settlement.apply_facts([paid(gift) for gift in (one, two, three)])
    settlement.apply_facts(
        [
            back(one, 1111, "R1"),
            back(two, 1000, "R2"),
            back(three, 3333, "dp_1", kind=FactKind.DISPUTED),
        ]
    )

    assert funds.totals(campaign.fund_id).gifts_count == 1
    page = client.get(f"/c/{campaign.slug}").text
    assert "0.00" not in page.split("最近的捐赠")[1]
    settlement.apply_facts([back(three, 3333, "dp_1", kind=FactKind.RETURNED)])
    assert funds.totals(campaign.fund_id).gifts_count == 2
    assert checks.run_here() == []
    session.execute(text("UPDATE fund_lane SET gifts_gone = gifts_gone + 1"))
    assert {finding.check for finding in checks.run_here()} == {
        "gifts that went back whole are not counted as received"
    }
