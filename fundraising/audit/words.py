"""How the audit log's actions, subjects and details are called on staff pages."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from fundraising.i18n import fen
from fundraising.i18n import lazy_gettext as _l

ACTIONS: dict[str, Any] = {
    "alarm.closed": _l("Alarm looked into"),
    "bank.confirmed": _l("Bank line given to its gift"),
    "bank.imported": _l("Bank statement taken over"),
    "bank.linked": _l("Bank line tied to its voucher"),
    "bank.paid_back": _l("Bank line given to the refund it sent"),
    "bank.mapping_saved": _l("Columns of a bank explained"),
    "bank.matched": _l("Bank line booked"),
    "book.opened": _l("Book of numbered papers opened"),
    "campaign.created": _l("Campaign written"),
    "campaign.edited": _l("Campaign changed"),
    "campaign.ended": _l("Campaign ended on its day"),
    "campaign.image_set": _l("Picture of the campaign set"),
    "campaign.moved": _l("Campaign taken to another state"),
    "campaign.opened": _l("Campaign opened on its day"),
    "cheque.bounce_asked": _l("Return of a cheque reported"),
    "cheque.bounced": _l("Cheque taken back"),
    "count.booked": _l("Two counts agree: booked"),
    "count.counted": _l("Counted again"),
    "count.differs": _l("Two counts differ"),
    "count.recorded": _l("First count written down"),
    "count.withdrawn": _l("Count withdrawn"),
    "day.reconciled": _l("Day compared with bill and bank"),
    "device.inspected": _l("Device inspected"),
    "device.installed": _l("Device installed"),
    "device.removed": _l("Device taken down"),
    "device.suspended": _l("Device taken out of service"),
    "difference.closed": _l("Difference closed"),
    "difference.explained": _l("Difference explained"),
    "difference.taken": _l("Difference taken on"),
    "fault.closed": _l("Report of the public answered"),
    "fee.booked": _l("Fee booked"),
    "match.voided": _l("Match taken back"),
    "pledge.approved": _l("Matching pledge approved"),
    "pledge.ended": _l("Matching pledge ended"),
    "pledge.written": _l("Matching pledge written down"),
    "fiscal.imported": _l("Fiscal receipts taken over"),
    "fiscal.red_requested": _l("Red fiscal receipt asked for"),
    "fiscal.requested": _l("Fiscal receipt asked for"),
    "gifts.confirmed": _l("Gift file released for booking"),
    "gifts.imported": _l("Gift file imported"),
    "goods.confirmed": _l("Goods counted by a second person"),
    "goods.handed_out": _l("Goods handed out"),
    "goods.moved": _l("Goods moved to another store"),
    "goods.received": _l("Goods received"),
    "goods.withdrawn": _l("Goods withdrawn"),
    "goods.write_off_asked": _l("Write-off of goods asked for"),
    "goods.written_off": _l("Goods written off"),
    "mapping.saved": _l("Columns of a platform named"),
    "message.approved": _l("Message shown"),
    "message.hidden": _l("Message not shown"),
    "paper.voided": _l("Numbered paper made void"),
    "period.closed": _l("Month closed"),
    "platform.registered": _l("Platform registered"),
    "platform.settled": _l("Platform settled with the bank"),
    "purchase.approved": _l("Approved"),
    "purchase.cancelled": _l("Cancelled"),
    "purchase.closed_short": _l("Closed without the rest"),
    "purchase.created": _l("Draft written"),
    "purchase.devices_accepted": _l("Devices accepted"),
    "purchase.edited": _l("Changed"),
    "purchase.goods_accepted": _l("Goods accepted"),
    "purchase.line_added": _l("Line added"),
    "purchase.line_removed": _l("Line removed"),
    "purchase.paper_attached": _l("Paper attached"),
    "purchase.payment_approved": _l("Payment approved and booked"),
    "purchase.payment_prepared": _l("Payment prepared"),
    "purchase.payment_rejected": _l("Payment refused"),
    "purchase.rejected": _l("Sent back"),
    "purchase.reopened": _l("Taken back to draft"),
    "purchase.submitted": _l("Handed in for approval"),
    "receipt.voided": _l("Receipt made void"),
    "refund.approved": _l("Refund approved"),
    "refund.cancelled": _l("Refund given up"),
    "refund.covered": _l("Refund borne by the chapter"),
    "refund.told": _l("Refund told by a platform booked"),
    "refund.requested": _l("Refund asked for"),
    "review.closed": _l("Money looked into"),
    "review.taken": _l("Money to look into taken on"),
    "staff.created": _l("Colleague invited"),
    "staff.let_in": _l("Account let in again"),
    "staff.link_sent": _l("Link to set a password sent"),
    "staff.password_set": _l("Password set"),
    "staff.roles_set": _l("Roles changed"),
    "staff.shut_out": _l("Account shut out"),
    "supplier.created": _l("Supplier added"),
    "supplier.edited": _l("Supplier changed"),
    "suspense.accepted": _l("Money accepted for its order"),
    "suspense.given": _l("Money given to a campaign"),
    "suspense.proposed": _l("Money from the bank proposed as a gift"),
    "suspense.taken_back": _l("Gift in foreign money taken back"),
    "suspense.withdrawn": _l("Proposal for money from the bank given up"),
    "training.confirmed": _l("Training confirmed"),
    "training.recorded": _l("Training recorded"),
    "training.withdrawn": _l("Training withdrawn"),
    "update.edited": _l("Update changed"),
    "update.published": _l("Update published"),
    "work.revived": _l("Failed work tried again"),
}
SUBJECTS: dict[str, Any] = {
    "alarm": _l("Alarm"),
    "bank": _l("Bank line"),
    "bank-file": _l("Statement file"),
    "bank-mapping": _l("Columns of a bank"),
    "book": _l("Book of papers"),
    "campaign": _l("Campaign"),
    "cheque": _l("Cheque"),
    "count": _l("Count"),
    "device": _l("Device"),
    "difference": _l("Difference found"),
    "fault": _l("Report"),
    "fee": _l("Fee"),
    "fiscal": _l("Fiscal receipt"),
    "match": _l("Match"),
    "pledge": _l("Matching pledge"),
    "gift": _l("Gift"),
    "goods": _l("Goods"),
    "handover": _l("Handover"),
    "import": _l("Gift file"),
    "mapping": _l("Columns of a platform"),
    "period": _l("Month"),
    "placing": _l("Proposal for unplaced money"),
    "platform": _l("Platform"),
    "purchase": _l("Purchase"),
    "receipt": _l("Receipt"),
    "refund": _l("Refund"),
    "review": _l("Review"),
    "staff": _l("Staff account"),
    "supplier": _l("Supplier"),
    "training": _l("Training"),
    "update": _l("Update"),
    "work": _l("Work"),
}
DETAILS: dict[str, Any] = {
    "account": _l("Account"),
    "amount_fen": _l("Amount"),
    "asked": _l("Asked for"),
    "bill": _l("Fiscal receipt"),
    "bills": _l("Fiscal receipts"),
    "campaign": _l("Campaign"),
    "changed": _l("Changed"),
    "columns": _l("Columns"),
    "county": _l("County or district"),
    "day": _l("Day"),
    "days": _l("Days"),
    "device": _l("Device"),
    "devices": _l("Devices"),
    "differences": _l("Differences"),
    "due_fen": _l("Amount"),
    "entry": _l("Voucher"),
    "fact": _l("The provider's word"),
    "fen": _l("Amount"),
    "findings": _l("Findings"),
    "first": _l("First number"),
    "from": _l("Before"),
    "gift": _l("Gift"),
    "gifts": _l("Gifts"),
    "handover": _l("Handover note"),
    "import": _l("Gift file"),
    "issued": _l("Issued"),
    "kind": _l("Kind"),
    "known": _l("Known already"),
    "last": _l("Last number"),
    "latest": _l("Latest"),
    "line": _l("Line number"),
    "lines": _l("Lines of the purchase"),
    "looks": _l("Times asked"),
    "mapping": _l("Mapping"),
    "match": _l("Match"),
    "new": _l("New"),
    "notice": _l("Notice"),
    "number": _l("Number"),
    "opened": _l("Orders"),
    "passed": _l("Passed"),
    "payment": _l("Payment"),
    "photo": _l("Photo"),
    "planned": _l("Gifts in the file"),
    "pool_fen": _l("Pool"),
    "provider": _l("Channel"),
    "public": _l("Public"),
    "quantity": _l("Quantity"),
    "reason": _l("Reason"),
    "role": _l("Role"),
    "roles": _l("Roles"),
    "serial": _l("Serial number"),
    "sha256": _l("Fingerprint of the file"),
    "state": _l("State"),
    "times": _l("Times"),
    "to": _l("After"),
    "unpaid": _l("Not paid"),
    "work": _l("Work"),
}
VALUES: dict[str, Any] = {
    "campaign_editor": _l("Campaign editor"),
    "buyer": _l("Buyer"),
    "finance": _l("Finance"),
    "installer": _l("Installer"),
    "auditor": _l("Auditor"),
    "administrator": _l("Administrator"),
    "contract": _l("Contract"),
    "invoice": _l("Invoice"),
    "draft": _l("Draft"),
    "upcoming": _l("Starts soon"),
    "open": _l("Open for gifts"),
    "ended": _l("Ended"),
    "completed": _l("Completed"),
    "published": _l("public"),
}
ALARMS: dict[str, Any] = {
    "bank:line-changed": _l("A bank line that was known came again with other content"),
    "books:check": _l("The books do not hold"),
    "fiscal:amount": _l("A fiscal receipt was issued over another amount"),
    "fiscal:red_refused": _l("The department refused a red fiscal receipt"),
    "fiscal:refused": _l("The department refused a fiscal receipt"),
    "fiscal:silent": _l("The department does not answer"),
    "floods:failure_ratio:*": _l("Unusually many orders of a campaign stay unpaid"),
    "giving:mandates": _l("A monthly gift could not be carried out"),
    "matching:due": _l("A match could not be taken back yet"),
    "outbox:dead:*": _l("Work that failed for good"),
    "payments:*:bill_broken": _l("A bill that cannot be trusted"),
    "payments:*:clock": _l("Our clock is wrong: notices seem too old or too new"),
    "payments:*:undecryptable": _l("Notices that no key of ours opens"),
    "payments:inbox:dead": _l("A notice that could not be settled"),
    "payments:reconciliation:late:*": _l("Days of a channel wait to be reconciled"),
    "payments:reconciliation:*": _l("A reconciled day has differences"),
    "payments:review:*": _l("Money to look into"),
}
"""Which alarm a key raises; the first form that fits counts."""
PAGES: dict[str, str] = {
    "campaign": "/staff/campaigns/{}",
    "device": "/staff/devices/{}",
    "gift": "/staff/orders/{}",
    "import": "/staff/imports/{}",
    "purchase": "/staff/purchases/{}",
    "supplier": "/staff/purchases/suppliers/{}",
    "training": "/staff/training/{}",
}
"""Where a subject has a page of its own; the page says itself who may open it."""
AMOUNTS = frozenset({"fen", "asked", "issued"})
HASH_LENGTH = 64
UUID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHOWN = 12


def action(name: str) -> str:
    """Return the words for an action, or its name where there are none."""
    return str(ACTIONS.get(name, name))


def alarm(key: str) -> str:
    """Return what an alarm says, or its key where there are no words."""
    found = (said for form, said in ALARMS.items() if fnmatchcase(key, form))
    return str(next(found, key))


def kind(subject: str) -> str:
    """Return what a subject such as ``device:AED-2024-001`` is."""
    name = subject.partition(":")[0]
    return str(SUBJECTS.get(name, name))


def label(subject: str) -> str:
    """Return which one it is: its number, or the end of an id that nobody reads."""
    return _short(subject.partition(":")[2])


def page(subject: str) -> str:
    """Return the address of the subject's own page, empty when it has none."""
    name, _, which = subject.partition(":")
    return PAGES[name].format(which) if name in PAGES and which else ""


def detail(facts: Mapping[str, Any]) -> str:
    """Return the facts of an event in one line; long hashes by their beginning."""
    return " · ".join(f"{DETAILS.get(n, n)} {_plain(n, value)}" for n, value in facts.items())


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(_l("yes") if value else _l("no"))
    if isinstance(value, int) and (name.endswith("_fen") or name in AMOUNTS):
        return fen(value)
    if isinstance(value, list):
        return ", ".join(str(VALUES.get(one, one)) for one in value)
    return _short(str(VALUES.get(str(value), value)))


def _short(text: str) -> str:
    """Return a name as it is, of an id its end, of a file's fingerprint its beginning."""
    if UUID_FORM.fullmatch(text):
        return f"…{text[-SHOWN:]}"
    return f"{text[:SHOWN]}…" if len(text) == HASH_LENGTH else text
