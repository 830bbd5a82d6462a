"""Booking gifts that come whole: from another platform's file, from a counted box, from a bank line.

No order of ours stands behind them, so one verb does what form and settlement do elsewhere: the gift, its
entry, its lot on the fund's lane, the person behind it, the day's totals and its match; a set with a few
statements.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from fundraising import clock, references
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.funds import queries as fund_queries
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource
from fundraising.funds.service import NewLot
from fundraising.giving import day_totals, people
from fundraising.giving.matching import service as matching
from fundraising.giving.matching.models import Road
from fundraising.giving.matching.service import SettledGift
from fundraising.giving.models import Display, Gift, GiftState, MessageState, ReceiptRule
from fundraising.giving.people import PersonData
from fundraising.giving.turns import Turn, at_once
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.references import uuid7


@dataclass(frozen=True)
class WholeGift:
    """A gift whose money is there. ``number`` names it once for ever within its channel."""

    channel: str
    number: str
    amount: Money
    at: datetime
    payer: str | None = None
    name: str = ""
    email: str = ""
    display: Display = Display.ANONYMOUS
    display_name: str | None = None
    message: str = ""
    wants_fiscal_receipt: bool = False
    receipt_rule: ReceiptRule = ReceiptRule.ON_REQUEST
    id: UUID = field(default_factory=uuid7)
    fact_id: UUID | None = None

    @property
    def key(self) -> str:
        """The key of its journal entry: its payment's fact, where one is written with it."""
        return f"fact:{self.fact_id}" if self.fact_id else f"gift:{self.channel}:{self.number}"


def book_set(
    campaign: Campaign,
    gifts: Sequence[WholeGift],
    *,
    kind: EntryKind,
    account: str,
    actor: str = "system",
    turn: Turn = at_once,
) -> list[WholeGift]:
    """Book gifts whose money stands in ``account``; return those that were new.

    A number that is known to its channel is left out, also when it arrived at the same moment. ``turn``
    returns when what is booked before may be looked for and followed.
    """
    if not gifts:
        return []
    fresh = _insert(campaign, gifts)
    kept = [gift for gift in gifts if gift.id in fresh]
    people.keep_many([(gift.id, PersonData(name=gift.name, email=gift.email)) for gift in kept])
    entries = _entries(campaign, kept, kind, account, actor)
    turn()
    held = matching.hold([campaign.id])
    fund_kind = fund_queries.get(campaign.fund_id).kind
    posted = ledger.post_many(entries)
    funds.add_lots(
        campaign.fund_id,
        [NewLot(LotSource.GIFT, gift.id, gift.amount, posted.ids[gift.key]) for gift in kept],
    )
    _add_days(campaign.id, kept)
    matching.match(held, [_settled(campaign, fund_kind, gift) for gift in kept])
    return kept


def _settled(campaign: Campaign, fund_kind: str, gift: WholeGift) -> SettledGift:
    road = Road.of(gift.channel)
    return SettledGift(
        gift.id, campaign.id, campaign.fund_id, fund_kind, gift.amount, gift.at, gift.payer, road
    )


def _entries(
    campaign: Campaign, gifts: Sequence[WholeGift], kind: EntryKind, account: str, actor: str
) -> list[NewEntry]:
    income = chart.income(fund_queries.get(campaign.fund_id).kind)
    return [
        NewEntry(
            gift.key,
            kind,
            gift.at,
            (debit(account, gift.amount), credit(income, gift.amount, campaign.fund_id)),
            fund_id=campaign.fund_id,
            actor=actor,
        )
        for gift in gifts
    ]


def _add_days(campaign_id: UUID, gifts: Sequence[WholeGift]) -> None:
    days: dict[tuple[UUID, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for gift in gifts:
        day = days[campaign_id, clock.shanghai_date(gift.at).isoformat()]
        day[0] += gift.amount.minor
        day[1] += 1
        day[3] += 1
    day_totals.add(days)


def _insert(campaign: Campaign, gifts: Sequence[WholeGift]) -> set[UUID]:
    rows = [_row(campaign, gift) for gift in gifts]
    columns = list(rows[0])
    returned = db.session.execute(
        text(
            f"INSERT INTO giving_gift ({', '.join(columns)}) SELECT * FROM unnest("  # noqa: S608  own names
            + ", ".join(f"CAST(:{name} AS {_type(name)}[])" for name in columns)
            + ") ON CONFLICT (channel, external_ref) DO NOTHING RETURNING id"
        ),
        {name: [row[name] for row in rows] for name in columns},
    )
    return set(returned.scalars())


def _type(column: str) -> str:
    return str(Gift.__table__.c[column].type.compile(db.engine.dialect))


def _row(campaign: Campaign, gift: WholeGift) -> dict[str, Any]:
    return {
        "id": gift.id,
        "ref": references.gift_reference(),
        "order_no": references.order_number(),
        "token": references.secret_token(),
        "idempotency_key": f"{gift.channel}:{gift.number}",
        "body_hash": "",
        "campaign_id": campaign.id,
        "fund_id": campaign.fund_id,
        "amount_fen": gift.amount.minor,
        "refunded_fen": 0,
        "currency": gift.amount.currency,
        "channel": gift.channel,
        "external_ref": gift.number,
        "state": GiftState.PAID.value,
        "display": gift.display.value,
        "display_name": gift.display_name,
        "message": gift.message or None,
        "message_state": (MessageState.PENDING if gift.message else MessageState.NONE).value,
        "wants_fiscal_receipt": gift.wants_fiscal_receipt,
        "receipt_rule": gift.receipt_rule.value,
        "locale": "zh",
        "created_at": gift.at,
        "paid_at": gift.at,
    }
