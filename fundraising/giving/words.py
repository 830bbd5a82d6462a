"""How states of money are called on staff pages."""

from typing import Any

from fundraising.i18n import lazy_gettext as _l
from fundraising.payments.models import AttemptState, RefundStage, ReviewKind
from fundraising.payments.providers.base import FactKind, FactSource, Product
from fundraising.payments.reconciliation_models import DifferenceKind

REVIEWS: dict[str, Any] = {
    ReviewKind.MISMATCH: _l("Amount or currency differs from the order"),
    ReviewKind.ORPHAN: _l("Money for an order we do not know"),
    ReviewKind.PLATFORM_REFUND: _l("A platform refunded a gift that is in the books"),
    ReviewKind.DUPLICATE: _l("An order was paid twice"),
    ReviewKind.PAID_AFTER_CLOSE: _l("Paid after the order had ended"),
    ReviewKind.EXTERNAL_REFUND: _l("Refunded at the provider, not by us"),
    ReviewKind.DISPUTE: _l("The payer disputed a payment: its money was taken back"),
    ReviewKind.REFUND_EXCESS: _l("More went back than the payment holds"),
    ReviewKind.REFUND_UNCOVERED: _l("A refund that its fund can no longer give"),
    ReviewKind.REFUND_STUCK: _l("A refund that the payer's account does not take"),
    ReviewKind.REFUND_FAILED: _l("A refund that failed"),
    ReviewKind.MONEY_RETURNED: _l("Money that came back after a refund or dispute"),
    ReviewKind.UNPARSABLE: _l("A notice that makes no sense"),
    ReviewKind.UNKNOWN_EVENT: _l("An event we do not know"),
}
STAGES: dict[str, Any] = {
    RefundStage.PROPOSED: _l("Waits for a second person"),
    RefundStage.APPROVED: _l("Approved, being sent"),
    RefundStage.SUBMITTED: _l("On its way"),
    RefundStage.STUCK: _l("Stuck at the provider"),
    RefundStage.SUCCEEDED: _l("Refunded"),
    RefundStage.FAILED: _l("With us: it failed or came back"),
    RefundStage.CANCELLED: _l("Given up"),
}
STAGE_BADGES = {
    RefundStage.PROPOSED: "wait",
    RefundStage.APPROVED: "wait",
    RefundStage.SUBMITTED: "wait",
    RefundStage.STUCK: "bad",
    RefundStage.SUCCEEDED: "ok",
    RefundStage.FAILED: "bad",
}
DIFFERENCES: dict[str, Any] = {
    DifferenceKind.ORPHAN: _l("On the bill, for an order we do not know"),
    DifferenceKind.OURS_ONLY: _l("In our books, not on the bill"),
    DifferenceKind.AMOUNT: _l("Another amount"),
    DifferenceKind.REFUND_ONLY_BILL: _l("A refund only the bill knows"),
    DifferenceKind.REFUND_ONLY_OURS: _l("A refund only we know"),
    DifferenceKind.DISPUTE_ONLY_BILL: _l("A dispute only the bill knows"),
    DifferenceKind.DISPUTE_ONLY_OURS: _l("A dispute only we know"),
    DifferenceKind.RETURN_ONLY_BILL: _l("Money that came back, known to the bill only"),
    DifferenceKind.RETURN_ONLY_OURS: _l("Money that came back, known to us only"),
    DifferenceKind.DUPLICATE_LINE: _l("The same line twice"),
    DifferenceKind.FEE_UNPLACED: _l("A fee that no fund could bear"),
    DifferenceKind.PAYOUT_NOT_AT_BANK: _l("Paid out, not yet on the bank's statement"),
    DifferenceKind.BILL_CHANGED: _l("The bill was changed afterwards"),
    DifferenceKind.BILL_BROKEN: _l("The bill cannot be trusted"),
    DifferenceKind.BILL_MISSING: _l("The bill is missing"),
    DifferenceKind.UNKNOWN_MOVEMENT: _l("A movement we cannot name"),
    DifferenceKind.FOREIGN_MOVEMENT: _l("Moved on a balance that is not in yuan"),
}
DETAILS: dict[str, Any] = {
    "asked_fen": _l("Asked for"),
    "received_fen": _l("Received"),
    "received": _l("Received"),
    "moved": _l("Moved"),
    "amount_fen": _l("Amount"),
    "trade_fen": _l("On the trade bill"),
    "flow_fen": _l("On the fund-flow bill"),
    "merchant_ref": _l("Order number"),
    "order": _l("Order number"),
    "ref": _l("The provider's number"),
    "refund_no": _l("Refund number"),
    "currency": _l("Currency"),
    "reason": _l("Reason"),
    "bill": _l("Bill"),
    "lines": _l("Lines"),
    "notice": _l("Notice"),
    "platform": _l("Platform"),
    "gift": _l("Gift number"),
    "line": _l("Line"),
    "import": _l("Import"),
    "told_fen": _l("Told before, as a sum"),
    "at": _l("Time"),
}
DAY_STATES: dict[str, Any] = {
    "waiting": _l("Waiting for the bill"),
    "balanced": _l("Balanced"),
    "differences": _l("Differences"),
}
SUMS: dict[str, Any] = {
    "bill_gifts": _l("Payments on the bill"),
    "our_gifts": _l("Payments in our books"),
    "bill_paid_fen": _l("Received by the bill"),
    "our_paid_fen": _l("Received by our books"),
    "bill_refunded_fen": _l("Refunded by the bill"),
    "our_refunded_fen": _l("Refunded by our books"),
    "bill_disputed_fen": _l("Taken for disputes by the bill"),
    "our_disputed_fen": _l("Taken for disputes by our books"),
    "fees_fen": _l("Fees on the bill"),
    "fees_booked_fen": _l("Fees booked"),
    "payout_fen": _l("Paid out to the bank"),
}
PRODUCTS: dict[str, Any] = {
    Product.WECHATPAY_NATIVE: _l("WeChat Pay, QR code"),
    Product.WECHATPAY_JSAPI: _l("WeChat Pay, inside WeChat"),
    Product.WECHATPAY_H5: _l("WeChat Pay, mobile browser"),
    Product.ALIPAY_PAGE: _l("Alipay, website"),
    Product.ALIPAY_WAP: _l("Alipay, mobile browser"),
    Product.ALIPAY_QR: _l("Alipay, QR code"),
    Product.WECHATPAY_CONTRACT: _l("WeChat Pay, by agreement"),
    Product.ALIPAY_CONTRACT: _l("Alipay, by agreement"),
    Product.BANK_TRANSFER: _l("Bank transfer"),
    Product.STRIPE_CHECKOUT: _l("Card (Stripe)"),
    Product.STRIPE_KEEP: _l("Card (Stripe), kept for monthly gifts"),
    Product.STRIPE_SAVED: _l("Saved card (Stripe)"),
}
ATTEMPTS: dict[str, Any] = {
    AttemptState.CREATED: _l("Not opened at the provider yet"),
    AttemptState.PENDING: _l("Waiting for payment"),
    AttemptState.PAID: _l("Paid"),
    AttemptState.CLOSED: _l("Closed unpaid"),
    AttemptState.FAILED: _l("Payment failed"),
    AttemptState.REVIEW: _l("Being looked into"),
}
FACTS: dict[str, Any] = {
    FactKind.PAID: _l("paid"),
    FactKind.CLOSED: _l("closed unpaid"),
    FactKind.REFUND_SEEN: _l("a refund exists"),
    FactKind.REFUNDED: _l("refunded"),
    FactKind.REFUND_FAILED: _l("the refund failed"),
    FactKind.REFUND_STUCK: _l("the refund is stuck"),
    FactKind.DISPUTED: _l("disputed by the payer"),
    FactKind.RETURNED: _l("money came back"),
}
SOURCES: dict[str, Any] = {
    FactSource.NOTICE: _l("by notice"),
    FactSource.QUERY: _l("when asked"),
    FactSource.BILL: _l("on the bill"),
}
OUTCOMES: dict[str, Any] = {
    "settled": _l("taken as the gift"),
    "suspense": _l("kept aside to be looked into"),
    "duplicate": _l("kept aside: paid twice"),
    "closed": _l("the way to pay is closed"),
    "seen": _l("noted"),
    "refunded": _l("taken off the gift"),
    "uncovered": _l("its fund can no longer give it"),
    "excess": _l("more than the payment holds"),
    "failed": _l("nothing moved"),
    "stuck": _l("waits for a person"),
    "returned": _l("with us again"),
    "accepted": _l("taken as the gift"),
}


def of(table: dict[str, Any], name: str) -> str:
    """Return the word for a name, or the name itself where none stands."""
    return str(table.get(name, name))
