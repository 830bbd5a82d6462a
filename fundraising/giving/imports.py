"""What taking over a platform's gift file would do: read, compared with what is known, nothing changed.

The platform's own number makes a gift the same gift when a file comes again; a known number with another
amount is an error that a person must look at before anything of the file is booked.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import platform_refunds
from fundraising.i18n import fen
from fundraising.payments.platforms import gift_files
from fundraising.payments.platforms.gift_files import GiftFile, GiftRow, RefundRow
from fundraising.payments.platforms.mapping import Mapping
from fundraising.payments.platforms.problems import RowError

MAX_LISTED = 200


class RefundState(StrEnum):
    """What a refund in a file means for the books."""

    NEVER_BOOKED = "never_booked"
    OPEN = "open"
    BOOKED = "booked"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class PlannedRefund:
    """Money the platform gave back, and whether the books know the gift."""

    row: RefundRow
    state: RefundState


@dataclass(frozen=True)
class Day:
    """What a file holds of one day."""

    day: date
    count: int
    amount_fen: int


@dataclass(frozen=True)
class Plan:
    """What importing a file would do."""

    filename: str
    sha256: str
    new: list[GiftRow] = field(default_factory=list)
    known_count: int = 0
    unpaid_count: int = 0
    refunds: list[PlannedRefund] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    error_count: int = 0
    has_fees: bool = False

    @property
    def amount_fen(self) -> int:
        """The sum of the new gifts."""
        return sum(row.amount.minor for row in self.new)

    @property
    def fee_fen(self) -> int:
        """What the platform kept of the new gifts, where the file says so."""
        return sum(row.fee.minor for row in self.new)

    @property
    def refund_fen(self) -> int:
        """What the platform gave back."""
        return sum(refund.row.amount.minor for refund in self.refunds)

    def days(self) -> list[Day]:
        """Return the new gifts by day, the first day first."""
        sums: dict[date, list[int]] = defaultdict(lambda: [0, 0])
        for row in self.new:
            day = sums[clock.shanghai_date(row.paid_at)]
            day[0] += 1
            day[1] += row.amount.minor
        return [Day(day, count, amount) for day, (count, amount) in sorted(sums.items())]

    def summary(self) -> dict[str, Any]:
        """Return the plan in figures."""
        times = [row.paid_at for row in self.new]
        return {
            "file": self.filename,
            "new": len(self.new),
            "known": self.known_count,
            "not paid": self.unpaid_count,
            "refunds": len(self.refunds),
            "errors": self.error_count,
            "amount": fen(self.amount_fen),
            "amount_fen": self.amount_fen,
            "fee_fen": self.fee_fen if self.has_fees else None,
            "refund_fen": self.refund_fen,
            "first": min(times).isoformat() if times else None,
            "last": max(times).isoformat() if times else None,
        }


@dataclass(frozen=True)
class _Known:
    """A gift that is here already."""

    campaign_id: UUID
    amount_fen: int


@dataclass(frozen=True)
class Source:
    """A file as it was read, before anybody looked into the database."""

    filename: str
    sha256: str
    platform: str
    file: GiftFile


def read(data: bytes, filename: str, mapping: Mapping) -> Source:
    """Read a file. Slow for a large one, so no transaction is held meanwhile.

    Raises:
        UnreadableFile: it is no table, or too large.
        ColumnsMissing: the mapping does not fit it.
    """
    file = gift_files.read(data, filename, mapping)
    return Source(filename, hashlib.sha256(data).hexdigest(), mapping.platform, file)


def plan(campaign: Campaign, source: Source) -> Plan:
    """Compare what was read with what is known; changes nothing."""
    file = source.file
    numbers = {row.number for row in file.rows} | {row.number for row in file.refunds}
    known = _known(source.platform, numbers)
    new = [row for row in file.rows if row.number not in known]
    wrong = [
        error
        for row in file.rows
        if row.number in known and (error := _difference(campaign, row, known[row.number]))
    ]
    return Plan(
        filename=source.filename,
        sha256=source.sha256,
        new=new,
        known_count=len(file.rows) - len(new),
        unpaid_count=file.unpaid,
        refunds=refunds(source, known.keys()),
        errors=sorted([*file.errors, *wrong], key=lambda error: error.line)[:MAX_LISTED],
        error_count=file.error_count + len(wrong),
        has_fees=file.has_fees,
    )


def _difference(campaign: Campaign, row: GiftRow, known: _Known) -> RowError | None:
    if known.amount_fen != row.amount.minor:
        return RowError(row.line, "known_amount", {"amount": fen(known.amount_fen)})
    if known.campaign_id != campaign.id:
        return RowError(row.line, "known_campaign", {})
    return None


def refunds(source: Source, known: Set[str]) -> list[PlannedRefund]:
    """Say of each refund whether the books hold the gift, here or with this very file, and the refund."""
    here = {row.number for row in source.file.rows} | known
    left = platform_refunds.missing(source.file.refunds, source.platform)
    return [
        PlannedRefund(row, _state(one, is_here=row.number in here))
        for row, one in zip(source.file.refunds, left, strict=True)
    ]


def _state(left: platform_refunds.Missing, *, is_here: bool) -> RefundState:
    if not is_here:
        return RefundState.NEVER_BOOKED
    if left.is_doubtful:
        return RefundState.DOUBTFUL
    return RefundState.OPEN if left.fen else RefundState.BOOKED


def _known(channel: str, numbers: Iterable[str]) -> dict[str, _Known]:
    rows = db.session.execute(
        text(
            "SELECT external_ref, campaign_id, amount_fen FROM giving_gift "
            "WHERE channel = :channel AND external_ref = ANY(:numbers)"
        ),
        {"channel": channel, "numbers": list(numbers)},
    )
    return {row.external_ref: _Known(row.campaign_id, row.amount_fen) for row in rows}


def known_numbers(source: Source) -> Set[str]:
    """Return which of the refunded gifts of a file the books hold."""
    return _known(source.platform, {row.number for row in source.file.refunds}).keys()


def listed(errors: Sequence[list[Any]]) -> list[RowError]:
    """Return refused lines as they were kept with a batch."""
    return [RowError(line, code, args) for line, code, args in errors]
