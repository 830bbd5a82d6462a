"""What staff see first: the menu by permission, the cards of things to do, and the figures that matter."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import request, url_for
from flask_login import current_user

from fundraising.i18n import lazy_gettext as _l


@dataclass(frozen=True)
class Item:
    """One entry of the menu."""

    endpoint: str
    label: Any
    permission: str
    group: Any


@dataclass(frozen=True)
class Card:
    """Something that waits: how much, and where to go."""

    label: Any
    count: int
    endpoint: str
    is_urgent: bool = False


@dataclass(frozen=True)
class Figure:
    """A sum or a count of the first page, and the page that says more about it."""

    label: Any
    value: str
    address: str
    note: str = ""


GIFTS, MONEY, GOODS = _l("Campaigns and gifts"), _l("Money and books"), _l("Purchases and devices")
HOUSE = _l("Staff and log")
ITEMS: list[Item] = [
    Item("campaigns.index", _l("Campaigns"), "campaign.edit", GIFTS),
    Item("gift_desk.orders", _l("Orders and gifts"), "gift.view", GIFTS),
    Item("monthly_desk.index", _l("Monthly gifts"), "gift.view", GIFTS),
    Item("gift_desk.messages", _l("Messages"), "campaign.edit", GIFTS),
    Item("gift_imports.index", _l("Import gifts"), "gift.import", GIFTS),
    Item("counter.index", _l("Cash and cheques"), "cash.count", GIFTS),
    Item("counter.index", _l("Cash and cheques"), "finance.view", GIFTS),
    Item("matching.index", _l("Matching"), "finance.view", GIFTS),
    Item("receipt_desk.index", _l("Receipts"), "finance.view", GIFTS),
    Item("fiscal.index", _l("Fiscal receipts"), "finance.view", GIFTS),
    Item("money_desk.reviews", _l("Money to look into"), "finance.post", MONEY),
    Item("money_desk.refund_list", _l("Refunds"), "finance.view", MONEY),
    Item("reports.bank", _l("Bank statements"), "finance.post", MONEY),
    Item("platforms.index", _l("Platforms"), "finance.post", MONEY),
    Item("money_desk.days", _l("Reconciliation"), "finance.view", MONEY),
    Item("reports.finance", _l("Books"), "finance.view", MONEY),
    Item("reports.vouchers", _l("Vouchers"), "finance.view", MONEY),
    Item("goods.index", _l("Goods in kind"), "goods.keep", GOODS),
    Item("goods.index", _l("Goods in kind"), "finance.view", GOODS),
    Item("procurement.index", _l("Purchases"), "purchase.prepare", GOODS),
    Item("procurement.index", _l("Purchases"), "purchase.approve", GOODS),
    Item("procurement.index", _l("Purchases"), "finance.view", GOODS),
    Item("equipment_desk.index", _l("Devices"), "device.install", GOODS),
    Item("equipment_desk.index", _l("Devices"), "purchase.prepare", GOODS),
    Item("equipment_desk.index", _l("Devices"), "finance.view", GOODS),
    Item("equipment_desk.index", _l("Devices"), "device.inspect", GOODS),
    Item("programmes.index", _l("Training"), "campaign.edit", GOODS),
    Item("programmes.index", _l("Training"), "finance.view", GOODS),
    Item("accounts.staff", _l("Staff"), "staff.manage", HOUSE),
    Item("accounts.log", _l("Audit log"), "audit.view", HOUSE),
]
_cards: list[tuple[str, Callable[[], Card]]] = []
_figures: list[tuple[tuple[str, ...], Callable[[], list[Figure]]]] = []


def register_card(permission: str, card: Callable[[], Card]) -> None:
    """Add a card to the first page of those who hold the permission."""
    _cards.append((permission, card))


def register_figures(*permissions: str, figures: Callable[[], list[Figure]]) -> None:
    """Add figures to the first page of those who hold one of the permissions."""
    _figures.append((permissions, figures))


def menu() -> list[tuple[str, list[Item]]]:
    """Return the entries the person signed in may open, each once, under the headings of their groups."""
    if not current_user.is_authenticated:
        return []
    seen: dict[str, Item] = {}
    for item in ITEMS:
        if current_user.may(item.permission):
            seen.setdefault(item.endpoint, item)
    return [(str(group), list(items)) for group, items in groupby(seen.values(), lambda i: i.group)]


def cards() -> list[Card]:
    """Return what waits for the person signed in, the urgent first."""
    found = [card() for permission, card in _cards if current_user.may(permission)]
    return sorted((c for c in found if c.count), key=lambda c: (not c.is_urgent, -c.count))


def section() -> str:
    """Return the endpoint of the menu's entry to which the page that is open belongs."""
    entries = [item.endpoint for _group, items in menu() for item in items]
    roots = {endpoint: url_for(endpoint).rstrip("/") for endpoint in entries}
    fitting = [e for e, root in roots.items() if f"{request.path}/".startswith(f"{root}/")]
    return max(fitting, key=lambda endpoint: len(roots[endpoint]), default="")


def figures() -> list[Figure]:
    """Return the figures of the person signed in."""
    mine = [make for permissions, make in _figures if any(map(current_user.may, permissions))]
    return [figure for make in mine for figure in make()]
