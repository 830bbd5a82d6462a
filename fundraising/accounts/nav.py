"""What staff see first: the menu by permission, and the cards of things to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask_login import current_user

from fundraising.i18n import lazy_gettext as _l


@dataclass(frozen=True)
class Item:
    """One entry of the menu."""

    endpoint: str
    label: Any
    permission: str


@dataclass(frozen=True)
class Card:
    """Something that waits: how much, and where to go."""

    label: Any
    count: int
    endpoint: str
    is_urgent: bool = False


ITEMS: list[Item] = [
    Item("campaigns.index", _l("Campaigns"), "campaign.edit"),
    Item("gift_desk.orders", _l("Orders and gifts"), "gift.view"),
    Item("monthly_desk.index", _l("Monthly gifts"), "gift.view"),
    Item("gift_desk.messages", _l("Messages"), "campaign.edit"),
    Item("gift_imports.index", _l("Import gifts"), "gift.import"),
    Item("platforms.index", _l("Platforms"), "finance.post"),
    Item("counter.index", _l("Cash and cheques"), "cash.count"),
    Item("counter.index", _l("Cash and cheques"), "finance.view"),
    Item("matching.index", _l("Matching"), "finance.view"),
    Item("goods.index", _l("Goods in kind"), "goods.keep"),
    Item("goods.index", _l("Goods in kind"), "finance.view"),
    Item("procurement.index", _l("Purchases"), "purchase.prepare"),
    Item("procurement.index", _l("Purchases"), "purchase.approve"),
    Item("procurement.index", _l("Purchases"), "finance.view"),
    Item("equipment_desk.index", _l("Devices"), "device.install"),
    Item("equipment_desk.index", _l("Devices"), "purchase.prepare"),
    Item("equipment_desk.index", _l("Devices"), "finance.view"),
    Item("equipment_desk.index", _l("Devices"), "device.inspect"),
    Item("programmes.index", _l("Training"), "campaign.edit"),
    Item("programmes.index", _l("Training"), "finance.view"),
    Item("money_desk.reviews", _l("Money to look into"), "finance.post"),
    Item("money_desk.refund_list", _l("Refunds"), "finance.view"),
    Item("money_desk.days", _l("Reconciliation"), "finance.view"),
    Item("receipt_desk.index", _l("Receipts"), "finance.view"),
    Item("fiscal.index", _l("Fiscal receipts"), "finance.view"),
    Item("reports.finance", _l("Books"), "finance.view"),
    Item("reports.vouchers", _l("Vouchers"), "finance.view"),
    Item("accounts.staff", _l("Staff"), "staff.manage"),
    Item("accounts.log", _l("Audit log"), "audit.view"),
]
_cards: list[tuple[str, Callable[[], Card]]] = []


def register_card(permission: str, card: Callable[[], Card]) -> None:
    """Add a card to the first page of those who hold the permission."""
    _cards.append((permission, card))


def menu() -> list[Item]:
    """Return the entries the person signed in may open, each once."""
    if not current_user.is_authenticated:
        return []
    seen: dict[str, Item] = {}
    for item in ITEMS:
        if current_user.may(item.permission):
            seen.setdefault(item.endpoint, item)
    return list(seen.values())


def cards() -> list[Card]:
    """Return what waits for the person signed in, the urgent first."""
    found = [card() for permission, card in _cards if current_user.may(permission)]
    return sorted((c for c in found if c.count), key=lambda c: (not c.is_urgent, -c.count))
