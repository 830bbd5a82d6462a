"""How the books' own words are called on staff pages and in exports."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from fundraising.accounts import service as accounts
from fundraising.i18n import language, pick
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger.models import AccountType, EntryKind
from fundraising.payments.platforms import queries as platforms

KINDS: dict[str, Any] = {
    EntryKind.GIFT_RECEIVED: _l("Gift received"),
    EntryKind.GIFT_IMPORTED: _l("Gift of another platform"),
    EntryKind.GIFT_COUNTED: _l("Gift in cash or by cheque"),
    EntryKind.GRANT_RECEIVED: _l("Grant received"),
    EntryKind.SUSPENSE_RECEIVED: _l("Received, to be looked into"),
    EntryKind.SUSPENSE_RESOLVED: _l("Looked into and placed"),
    EntryKind.REFUND: _l("Refund"),
    EntryKind.REFUND_COVERED: _l("Refund covered by the chapter"),
    EntryKind.MONEY_RETURNED: _l("Money returned to us"),
    EntryKind.FEE_CHARGED: _l("Fee charged"),
    EntryKind.FEE_RETURNED: _l("Fee given back"),
    EntryKind.BANK_CHARGED: _l("Bank charge"),
    EntryKind.BANK_INTEREST: _l("Interest paid by the bank"),
    EntryKind.PAYOUT_RECEIVED: _l("Paid out to the bank"),
    EntryKind.CASH_DEPOSITED: _l("Cash or cheque credited by the bank"),
    EntryKind.CHEQUE_RETURNED: _l("Cheque taken back by the bank"),
    EntryKind.PURCHASE_ACCEPTED: _l("Purchase accepted"),
    EntryKind.PAYMENT_OUT: _l("Payment to a supplier"),
    EntryKind.MATCH_PLEDGED: _l("Match pledged"),
    EntryKind.MATCH_VOIDED: _l("Match taken back with its gift"),
    EntryKind.MATCH_PAID: _l("Paid by a matcher"),
    EntryKind.GOODS_RECEIVED: _l("Goods received in kind"),
    EntryKind.GOODS_HANDED_OUT: _l("Goods handed out"),
    EntryKind.GOODS_WRITTEN_OFF: _l("Goods written off"),
    EntryKind.DEVICE_HANDED_OVER: _l("Device handed over"),
    EntryKind.PROGRAMME_COST: _l("Programme cost"),
    EntryKind.REVERSAL: _l("Reversal"),
}
ACCOUNT_TYPES: dict[str, Any] = {
    AccountType.ASSET: _l("Assets"),
    AccountType.LIABILITY: _l("Liabilities"),
    AccountType.NET_ASSETS: _l("Net assets"),
    AccountType.INCOME: _l("Income"),
    AccountType.EXPENSE: _l("Expenses"),
}
PAID_OUT_BY: dict[str, Any] = {
    "wechatpay": _l("WeChat Pay"),
    "alipay": _l("Alipay"),
    "stripe": _l("Card (Stripe)"),
}
"""Channels where money waits until they pay it out to the bank."""
CHANNELS: dict[str, Any] = {**PAID_OUT_BY, "bank": _l("Bank transfer")}
GIVEN: dict[str, Any] = {"cash": _l("Cash"), "cheque": _l("Cheque")}
DEPOSITS: dict[str, Any] = {"cash": _l("Cash on hand"), "cheque": _l("Cheques in collection")}
GIFT_STATES: dict[str, Any] = {
    "paid": _l("Paid"),
    "refunded": _l("Refunded"),
    "partly_refunded": _l("Partly refunded"),
    "review": _l("To be looked into"),
}
DEMO_MARK = "演示"
SYSTEM = _l("the system")


def kind(value: str) -> str:
    """Return the name of an entry's kind in the language in force."""
    return str(KINDS.get(value, value))


def channel(value: str) -> str:
    """Return the name of a giving channel such as ``wechatpay.native``."""
    code = value.partition(".")[0]
    known = CHANNELS.get(code) or GIVEN.get(code)
    return str(known or pick(platforms.names().get(code)) or value)


@dataclass(frozen=True)
class Tongue:
    """The words of one language, settled while the request lasts; a file is sent after it is over."""

    language: str
    kinds: Mapping[str, str]
    channels: Mapping[str, str]
    states: Mapping[str, str]
    system: str
    yes: str
    no: str

    def pick(self, value: Mapping[str, str] | None) -> str:
        """Return content people wrote in this language, else in Chinese."""
        return (value or {}).get(self.language) or (value or {}).get("zh", "")


def booked_by(actor: str) -> str:
    """Return who booked an entry: a colleague as colleagues see them, else the system."""
    kind, _, person = actor.partition(":")
    if kind != "staff":
        return str(SYSTEM)
    return accounts.names_of({UUID(person)}).get(UUID(person), actor)


def with_platforms(words: Tongue) -> Tongue:
    """Return the words with the names of all registered platforms among the channels."""
    named = {code: words.pick(name) for code, name in platforms.names().items()}
    return replace(words, channels={**named, **words.channels})


def tongue() -> Tongue:
    """Return the words in the language in force."""
    return Tongue(
        language(),
        {name: str(label) for name, label in KINDS.items()},
        {name: str(label) for name, label in {**CHANNELS, **GIVEN}.items()},
        {name: str(label) for name, label in GIFT_STATES.items()},
        str(SYSTEM),
        str(_l("yes")),
        str(_l("no")),
    )
