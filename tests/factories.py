"""Makes the things that tests talk about, through the services that staff use."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns import service as campaigns
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.campaigns.service import CampaignFacts
from fundraising.funds import service as funds
from fundraising.funds.models import Fund, LotSource, SpendingKind, SpendingLine
from fundraising.funds.service import NewLot
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money

_numbers = count(1)


def campaign_facts() -> CampaignFacts:
    """Facts of a campaign that may go public."""
    return CampaignFacts(
        title={"zh": "守护生命", "en": "Guard lives"},
        summary={"zh": "为公共场所配置急救设备。", "en": "First-aid devices for public places."},
        story={"zh": "每一分钟都很重要。", "en": "Every minute counts."},
        goal_fen=10_000_000,
        unit_price_fen=1_000_000,
        unit_name={"zh": "台 AED", "en": "AED"},
        starts_on=clock.today() - timedelta(days=10),
        ends_on=clock.today() + timedelta(days=10),
        filing_no="FILING-1",
        certificate_no="CERT-1",
        platform_name={"zh": "公益宝", "en": "Gongyibao"},
        platform_url="https://www.example.org/project",
        complaint_contact={"zh": "0314-0000000", "en": "+86 314 000 0000"},
    )


@dataclass
class Make:
    """One test's workshop."""

    session: Session

    def fund(self, kind: str = "restricted") -> Fund:
        """A fund with an empty lane."""
        return funds.create_fund(f"fund-{next(_numbers)}", kind, {"zh": "基金"}, {"zh": "用途"})

    def campaign(self, state: CampaignState = CampaignState.OPEN) -> Campaign:
        """A campaign in that state."""
        campaign = campaigns.create(f"campaign-{next(_numbers)}", campaign_facts(), None)
        campaign.state = state
        self.session.flush()
        return campaign

    def money(self, fund_id: UUID, *amounts: int, source: LotSource = LotSource.GIFT) -> list[UUID]:
        """Gifts of so many fen, booked and on the fund's lane; returns their source ids."""
        ids = [uuid4() for _ in amounts]
        kind = EntryKind.GIFT_RECEIVED if source == LotSource.GIFT else EntryKind.GRANT_RECEIVED
        posted = ledger.post_many(
            [
                NewEntry(
                    f"test:{source_id}",
                    kind,
                    clock.now(),
                    (
                        debit(chart.clearing("wechatpay"), Money(fen)),
                        credit(chart.INCOME_RESTRICTED, Money(fen), fund_id),
                    ),
                    fund_id=fund_id,
                )
                for source_id, fen in zip(ids, amounts, strict=True)
            ]
        )
        funds.add_lots(
            fund_id,
            [
                NewLot(source, source_id, Money(fen), posted.ids[f"test:{source_id}"])
                for source_id, fen in zip(ids, amounts, strict=True)
            ],
        )
        return ids

    def line(self, fund_id: UUID, fen: int) -> SpendingLine:
        """A spending line that may draw so many fen."""
        return funds.open_spending_line(
            fund_id, SpendingKind.PURCHASE, {"zh": "设备"}, Money(fen), uuid4()
        )
