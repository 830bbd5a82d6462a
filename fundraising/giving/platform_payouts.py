"""A platform's lump sum on the bank statement closes the gifts it pays out, less its fee, to the fen.

One step: a bank line, the imports it pays, the fee. Gifts less fee must be the line exactly, or the rest is
said to wait on purpose. The fee is booked with its own voucher for each fund, then the line closes the
clearing account; all of it in the caller's transaction.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.database import Text2, db
from fundraising.errors import DomainError, Invalid
from fundraising.giving.import_models import GiftImport, PayoutPart, PlatformPayout
from fundraising.i18n import fen
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money
from fundraising.payments import bank_booking, fees, statements
from fundraising.payments.models import BankLine
from fundraising.payments.platforms import queries as platforms
from fundraising.references import uuid7

MOST = 200
LIKELY_SHARE = 10
"""A fee is at most a tenth of the gifts unless somebody writes it."""


_OWED = GiftImport.amount_fen - GiftImport.returned_fen
_IS_OPEN = GiftImport.settled_fen != _OWED


class PayoutDiffers(DomainError):
    """Gifts less fee are not the bank line; nothing was booked."""

    code = "payout_differs"
    message = _l("The gifts less the fee are not what the bank line says. Nothing was booked.")


class NothingChosen(Invalid):
    """A bank line and at least one import are needed."""

    code = "nothing_chosen"
    message = _l("Choose a bank line and at least one import of this platform.")


@dataclass(frozen=True)
class Part:
    """How much of an import a payout closes, and the fee kept of it."""

    batch: GiftImport
    amount_fen: int
    fee_fen: int


@dataclass(frozen=True)
class Proposal:
    """What closing would do: gifts that wait, less the fee, against the bank line."""

    line: BankLine
    batches: Sequence[GiftImport]
    fee_fen: int
    file_fee_fen: int

    @property
    def gross_fen(self) -> int:
        """What waits in the chosen imports, less what went back of imports that were paid out."""
        return sum(batch.waiting_fen for batch in self.batches)

    @property
    def difference_fen(self) -> int:
        """What would still wait (positive), or what the line pays beyond the gifts (negative)."""
        return self.gross_fen - self.fee_fen - self.line.amount_fen

    @property
    def is_exact(self) -> bool:
        """Whether gifts less fee are the line, to the fen."""
        return self.difference_fen == 0

    @property
    def is_possible(self) -> bool:
        """Whether the line could be closed, at least as a part of what waits."""
        return self.difference_fen >= 0 and self.fee_fen >= 0

    def parts(self) -> list[Part]:
        """Return what is closed of each import, the oldest first, and its share of the fee."""
        set_off = [batch for batch in self.batches if batch.waiting_fen < 0]
        left = self.line.amount_fen + self.fee_fen - sum(b.waiting_fen for b in set_off)
        closed: list[tuple[GiftImport, int]] = []
        for batch in self.batches:
            amount = min(left, batch.waiting_fen)
            if amount > 0:
                closed.append((batch, amount))
                left -= amount
        fees = Money(self.fee_fen).split([amount for _, amount in closed])
        return [
            *(Part(batch, batch.waiting_fen, 0) for batch in set_off),
            *(
                Part(batch, amount, fee.minor)
                for (batch, amount), fee in zip(closed, fees, strict=True)
            ),
        ]


def waiting(platform: str) -> list[GiftImport]:
    """Return the imports whose money has not all come to the bank, or went back after it had, the oldest first."""
    query = (
        select(GiftImport)
        .where(GiftImport.platform == platform, _IS_OPEN)
        .order_by(GiftImport.id)
        .limit(MOST)
    )
    return list(db.session.execute(query).scalars())


def lines_for(platform: str) -> list[BankLine]:
    """Return bank lines of money in that wait for their entry, those that name the platform first."""
    name = platforms.get(platform).name
    words = [word for word in (name.get("zh", ""), name.get("en", "")) if word]
    found = [line for line in statements.unmatched() if line.amount_fen > 0]
    return sorted(
        found, key=lambda line: not any(w in f"{line.counterparty} {line.memo}" for w in words)
    )


def propose(
    platform: str, line_id: UUID, import_ids: Sequence[UUID], fee: Money | None = None
) -> Proposal:
    """Work out what closing a line against imports would do; changes nothing.

    Without a fee said it is what the files say, else the difference where that is a tenth at most.

    Raises:
        NothingChosen: no line of money in, or no import of this platform that waits.
    """
    return _proposal(statements.get(line_id), _chosen(platform, import_ids), fee)


def close(
    platform: str,
    line_id: UUID,
    import_ids: Sequence[UUID],
    fee: Money,
    actor_id: UUID | None,
    *,
    is_partial: bool = False,
) -> PlatformPayout:
    """Close a bank line against imports: fee, payout and what was closed of each import, together.

    Raises:
        NothingChosen: no line of money in, or no import of this platform that waits.
        PayoutDiffers: gifts less fee are not the line, and it was not said that the rest waits.
        AlreadyMatched: the line was booked before.
        FundOverspent: a fund does not hold its part of the fee.
    """
    chosen = _chosen(platform, import_ids, lock=True)
    proposal = _proposal(statements.get(line_id), chosen, fee)
    if not proposal.is_possible or not (proposal.is_exact or is_partial):
        raise PayoutDiffers(difference=fen(proposal.difference_fen))
    parts = proposal.parts()
    entries = _book_fees(platform, proposal.line, parts)
    payout = PlatformPayout(
        id=uuid7(),
        platform=platform,
        bank_line_id=line_id,
        net_fen=proposal.line.amount_fen,
        fee_fen=fee.minor,
        entry_id=bank_booking.match_payout(proposal.line, platform, actor_id),
        closed_by=actor_id,
    )
    db.session.add(payout)
    db.session.flush()
    _keep_parts(payout, parts, entries)
    detail = {"net_fen": payout.net_fen, "fee_fen": payout.fee_fen, "imports": len(parts)}
    audit.record("platform.settled", f"platform:{platform}", actor_id, detail)
    return payout


def _keep_parts(payout: PlatformPayout, parts: Sequence[Part], entries: dict[UUID, UUID]) -> None:
    for part in parts:
        part.batch.settled_fen += part.amount_fen
        db.session.add(
            PayoutPart(
                payout_id=payout.id,
                import_id=part.batch.id,
                amount_fen=part.amount_fen,
                fee_fen=part.fee_fen,
                fee_entry_id=entries.get(campaigns.get_by_id(part.batch.campaign_id).fund_id)
                if part.fee_fen
                else None,
            )
        )
    db.session.flush()


@dataclass(frozen=True)
class Closed:
    """A payout with its bank line and what it closed."""

    payout: PlatformPayout
    line: BankLine
    parts: Sequence[PayoutPart]


def payouts(platform: str, limit: int = 30) -> list[Closed]:
    """Return what was closed at a platform, the latest first."""
    query = (
        select(PlatformPayout, BankLine)
        .join(BankLine, BankLine.id == PlatformPayout.bank_line_id)
        .where(PlatformPayout.platform == platform)
        .order_by(PlatformPayout.id.desc())
        .limit(limit)
    )
    return _with_parts([(row[0], row[1]) for row in db.session.execute(query)])


def payouts_of(import_id: UUID) -> list[Closed]:
    """Return the payouts that closed an import or a part of it, the first one first."""
    query = (
        select(PlatformPayout, BankLine)
        .join(BankLine, BankLine.id == PlatformPayout.bank_line_id)
        .join(PayoutPart, PayoutPart.payout_id == PlatformPayout.id)
        .where(PayoutPart.import_id == import_id)
        .order_by(PlatformPayout.id)
        .limit(MOST)
    )
    return _with_parts([(row[0], row[1]) for row in db.session.execute(query)])


def waiting_fen() -> dict[str, int]:
    """Return for each platform what waits in its imports."""
    query = (
        select(GiftImport.platform, func.sum(_OWED - GiftImport.settled_fen))
        .where(_IS_OPEN)
        .group_by(GiftImport.platform)
    )
    return {platform: int(amount) for platform, amount in db.session.execute(query)}


# ---------------------------------------------------------------------- inside


def _chosen(
    platform: str, import_ids: Sequence[UUID], *, lock: bool = False
) -> Sequence[GiftImport]:
    query = (
        select(GiftImport)
        .where(
            GiftImport.platform == platform,
            GiftImport.id.in_(import_ids),
            _IS_OPEN,
        )
        .order_by(GiftImport.id)
        .execution_options(populate_existing=True)
    )
    found = list(db.session.execute(query.with_for_update() if lock else query).scalars())
    if not found or len(found) != len(set(import_ids)):
        raise NothingChosen
    return found


def _proposal(line: BankLine, batches: Sequence[GiftImport], fee: Money | None) -> Proposal:
    if line.amount_fen <= 0:
        raise NothingChosen
    file_fee = sum(_file_fee(batch) for batch in batches)
    if fee is None:
        gross_fen = sum(batch.waiting_fen for batch in batches)
        kept_fen = gross_fen - line.amount_fen
        is_whole = kept_fen == sum(b.fee_fen for b in batches if not b.settled_fen)
        # some platforms give a refunded gift's share of their fee back, others keep it
        fee = Money(kept_fen if is_whole else file_fee or _likely_fee(gross_fen, line.amount_fen))
    return Proposal(line, batches, fee.minor, file_fee)


def _likely_fee(gross_fen: int, net_fen: int) -> int:
    """Return the difference where it is small enough to be a fee; a larger one is money that still waits."""
    kept = gross_fen - net_fen
    return kept if 0 < kept * LIKELY_SHARE <= gross_fen else 0


def _file_fee(batch: GiftImport) -> int:
    """Return what the file says the platform kept of what still waits."""
    waiting_fen = max(0, batch.waiting_fen)
    return batch.fee_fen * waiting_fen // batch.amount_fen if batch.amount_fen else 0


def _book_fees(platform: str, line: BankLine, parts: Sequence[Part]) -> dict[UUID, UUID]:
    """Book the fee of each fund with its own voucher; return the voucher by fund."""
    by_fund: dict[UUID, int] = defaultdict(int)
    for part in parts:
        by_fund[campaigns.get_by_id(part.batch.campaign_id).fund_id] += part.fee_fen
    name = platforms.get(platform).name
    title: Text2 = {
        "zh": f"{name['zh']}平台服务费",
        "en": f"Service fee of the platform {name.get('en') or name['zh']}",
    }
    return {
        fund_id: fees.book_fee(
            fund_id,
            platform,
            Money(amount),
            f"{platform}:{line.bank_account}:{line.serial}:{fund_id}",
            line.booked_at,
            title,
        )
        for fund_id, amount in sorted(by_fund.items())
        if amount
    }


def _with_parts(found: Sequence[tuple[PlatformPayout, BankLine]]) -> list[Closed]:
    query = (
        select(PayoutPart)
        .where(PayoutPart.payout_id.in_([payout.id for payout, _ in found]))
        .order_by(PayoutPart.payout_id, PayoutPart.import_id)
    )
    parts: dict[UUID, list[PayoutPart]] = defaultdict(list)
    for part in db.session.execute(query).scalars():
        parts[part.payout_id].append(part)
    return [Closed(payout, line, parts[payout.id]) for payout, line in found]
