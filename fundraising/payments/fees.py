"""What providers and platforms keep of gifts, and what they give back of it, on lines of their own."""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from fundraising.audit import service as audit
from fundraising.database import Text2
from fundraising.funds import service as funds
from fundraising.funds.models import LotSource, SpendingKind
from fundraising.funds.service import NewLot
from fundraising.ledger import chart
from fundraising.ledger import queries as books
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.payments import bank_booking, statements

FEE_TITLE: Text2 = {"zh": "捐赠渠道手续费", "en": "Fee of the giving channel"}


def record_fee(
    fund_id: UUID, provider: str, amount: Money, reference: str, at: datetime, actor_id: UUID
) -> UUID:
    """Book a fee that a person read on a provider's settlement; its number there is what makes it once.

    Raises:
        NotWaiting: more than what waits at that provider.
        KeyReused, FundOverspent: as for ``book_fee``.
    """
    account = chart.clearing(provider)
    bank_booking.one_at_a_time(account)
    key = f"{provider}:{reference}"
    is_known = books.find_key(f"fee:{key}") is not None
    if not is_known and books.balance(account).minor < amount.minor:
        raise statements.NotWaiting(account=account)
    entry_id = book_fee(fund_id, provider, amount, key, at, FEE_TITLE, actor=f"staff:{actor_id}")
    if not is_known:
        audit.record("fee.booked", f"fee:{key}", actor_id, {"entry": str(entry_id)})
    return entry_id


def book_fee(
    fund_id: UUID,
    provider: str,
    amount: Money,
    key: str,
    at: datetime,
    title: Text2,
    *,
    actor: str = "system",
) -> UUID:
    """Book what a provider or platform kept, on its own line, and draw it from the fund. Once per key.

    Raises:
        KeyReused: the key was used for another fee.
        FundOverspent: the fund does not hold that much.
    """
    entry = NewEntry(
        f"fee:{key}",
        EntryKind.FEE_CHARGED,
        at,
        (debit(chart.FUNDRAISING_COST, amount, fund_id), credit(chart.clearing(provider), amount)),
        fund_id=fund_id,
        actor=actor,
    )
    posted = ledger.post_many([entry])
    if posted.new_keys:
        source = uuid5(NAMESPACE_URL, entry.key)
        line = funds.open_spending_line(fund_id, SpendingKind.FEE, title, amount, source)
        funds.draw(line.id, amount)
    return posted.ids[entry.key]


def book_fee_back(fund_id: UUID, provider: str, amount: Money, key: str, at: datetime) -> UUID:
    """Book a fee that a provider gave back: a new lot of the fund under its own name. Once per key."""
    entry = NewEntry(
        f"fee-back:{key}",
        EntryKind.FEE_RETURNED,
        at,
        (debit(chart.clearing(provider), amount), credit(chart.FUNDRAISING_COST, amount, fund_id)),
        fund_id=fund_id,
    )
    posted = ledger.post_many([entry])
    entry_id = posted.ids[entry.key]
    if posted.new_keys:
        source = uuid5(NAMESPACE_URL, entry.key)
        funds.add_lots(fund_id, [NewLot(LotSource.RETURNED, source, amount, entry_id)])
    return entry_id
