"""Accepting what was bought: from here on the fund's fen are spent and the supplier is owed (docs/ledger.md)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.funds import service as funds
from fundraising.ledger import chart
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.ledger.service import NewEntry, credit, debit
from fundraising.money import Money
from fundraising.procurement import locking
from fundraising.procurement.errors import PurchaseNotFound, TooMuch, WrongState
from fundraising.procurement.models import Purchase, PurchaseLine, PurchaseState


@dataclass(frozen=True)
class Acceptance:
    """A purchase locked for acceptance, the line that is delivered, and all its lines."""

    purchase: Purchase
    line: PurchaseLine
    lines: list[PurchaseLine]

    @property
    def spending_line_id(self) -> UUID:
        """The spending line that holds the money set aside."""
        if self.line.spending_line_id is None:
            raise WrongState
        return self.line.spending_line_id

    @property
    def unit_price(self) -> Money:
        """What one unit costs."""
        return Money(self.line.unit_price_fen)

    def take(self, count: int) -> None:
        """Count the units as accepted; the last ones complete the purchase."""
        self.line.accepted += count
        if not any(line.missing for line in self.lines):
            self.purchase.state = PurchaseState.RECEIVED
        locking.touch(self.purchase)


def hold(line_id: UUID, count: int, *, is_device: bool, version: int | None = None) -> Acceptance:
    """Lock an approved purchase for accepting ``count`` units of one line.

    Raises:
        PurchaseNotFound: no such line of that kind.
        WrongState: the purchase is not approved, or is complete.
        TooMuch: more than is missing.
        PurchaseChanged: ``version`` is given and not the present one; a form sent twice accepts once.
    """
    line = db.session.get(PurchaseLine, line_id)
    if line is None or line.is_device != is_device or count <= 0:
        raise PurchaseNotFound
    purchase = locking.hold(line.purchase_id, PurchaseState.APPROVED, version=version)
    lines = locking.lines_of(purchase.id)
    held = next(one for one in lines if one.id == line_id)
    if count > held.missing:
        raise TooMuch(missing=held.missing)
    return Acceptance(purchase, held, lines)


def accept(
    line_id: UUID,
    quantity: int,
    actor_id: UUID,
    *,
    version: int | None = None,
    at: datetime | None = None,
) -> None:
    """Accept things that are no devices: the fund's fen are drawn and booked to programme cost.

    Raises:
        TooMuch, WrongState, PurchaseNotFound, PurchaseChanged: as for ``hold``.
    """
    held = hold(line_id, quantity, is_device=False, version=version)
    amount, fund_id = held.unit_price.times(quantity), held.purchase.fund_id
    upto = held.line.accepted + quantity
    ledger.post(
        NewEntry(
            f"goods-accepted:{line_id}:{upto}",
            EntryKind.PURCHASE_ACCEPTED,
            at or clock.now(),
            (
                debit(chart.PROGRAMME_COST, amount, fund_id),
                credit(chart.PAYABLE, amount),
            ),
            fund_id=fund_id,
            actor=f"staff:{actor_id}",
        )
    )
    funds.draw(held.spending_line_id, amount, from_reserved=True)
    held.take(quantity)
    audit.record(
        "purchase.goods_accepted",
        locking.subject(held.purchase),
        actor_id,
        {"line": str(line_id), "quantity": quantity},
    )
