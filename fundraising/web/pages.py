"""What the public pages show, gathered from the slices: the same few statements for any number of gifts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from fundraising import clock
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign, CampaignUpdate
from fundraising.equipment import county_map
from fundraising.equipment import queries as equipment
from fundraising.equipment.queries import DeviceCounts, PublicDevice
from fundraising.funds import queries as funds
from fundraising.funds.queries import FundTotals
from fundraising.giving import queries as giving
from fundraising.giving.matching import queries as matching
from fundraising.giving.matching.queries import PublicPledge
from fundraising.giving.queries import PublicGift
from fundraising.i18n import gettext as _
from fundraising.i18n import pick
from fundraising.procurement import queries as procurement
from fundraising.procurement.queries import PublicLine
from fundraising.programmes import queries as programmes
from fundraising.web import charts
from fundraising.web.charts import Share

DEVICES, GIFTS, UPDATES = 60, 12, 5
STALE = timedelta(days=90)


@dataclass(frozen=True)
class CampaignPage:
    """Everything the page of a campaign shows."""

    campaign: Campaign
    totals: FundTotals
    people: int | None
    devices: Sequence[PublicDevice]
    counts: DeviceCounts
    people_trained: int
    lines: Sequence[PublicLine]
    gifts: Sequence[PublicGift]
    pledges: Sequence[PublicPledge]
    updates: Sequence[CampaignUpdate]
    flow: Markup
    shares: Sequence[Share]
    days: Markup
    map: Markup
    as_of: datetime

    @property
    def next_number(self) -> int:
        """The number of the next unit to be paid for."""
        return self.totals.raised_fen // self.campaign.unit_price_fen + 1

    @property
    def missing_fen(self) -> int:
        """How much is missing until the next unit."""
        return self.next_number * self.campaign.unit_price_fen - self.totals.raised_fen

    @property
    def is_stale(self) -> bool:
        """Whether nothing was published for ninety days while the campaign is running."""
        if self.campaign.state == "completed":
            return False
        latest = max((u.published_at for u in self.updates if u.published_at), default=None)
        begun = self.campaign.created_at
        return (latest or begun) < self.as_of - STALE


def campaign_page(slug: str) -> CampaignPage:
    """Gather the page of a campaign. Raises CampaignNotFound."""
    campaign = campaigns.get_public(slug)
    totals = funds.totals(campaign.fund_id)
    lines = procurement.public_spending(campaign.fund_id)
    devices = equipment.public_devices(campaign_id=campaign.id, limit=DEVICES)
    shares = fund_shares(totals, lines)
    return CampaignPage(
        campaign=campaign,
        totals=totals,
        people=giving.people_count(campaign.id),
        devices=devices,
        counts=equipment.counts(campaign.id),
        people_trained=programmes.people_trained(campaign.id),
        lines=lines,
        gifts=giving.recent_public(campaign.id, GIFTS),
        pledges=matching.public(campaign.id),
        updates=campaigns.updates(campaign.id, UPDATES),
        flow=charts.stack(shares, _("Where the money went")),
        shares=shares,
        days=charts.columns(giving.daily(campaign.id), _("What came in by day")),
        map=device_map(devices),
        as_of=clock.now(),
    )


def fund_shares(totals: FundTotals, lines: Sequence[PublicLine]) -> list[Share]:
    """Return where a fund's fen are: each spending line, the last part being what is unspent."""
    shares = [Share(pick(line.item), line.amount_fen) for line in lines]
    return [*shares, Share(_("Not spent yet"), totals.unspent_fen)]


def device_map(devices: Sequence[PublicDevice]) -> Markup:
    """Draw devices that hang somewhere."""
    pins = [
        county_map.Pin(
            d.lat,
            d.lon,
            f"{d.no} {pick(d.place)}",
            f"/devices/{d.no}",
            d.state == equipment.IN_SERVICE,
        )
        for d in devices
        if d.lat is not None and d.lon is not None
    ]
    return county_map.svg(pins, _("Map of the devices")) if pins else Markup("")
