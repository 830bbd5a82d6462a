"""Every kind of work and the queue it waits in; each has its handler in the worker."""

from enum import StrEnum


class Queue(StrEnum):
    """Queues with workers of their own: money never waits behind mail."""

    MONEY = "money"
    RECEIPTS = "receipts"
    MAIL = "mail"
    MAINTENANCE = "maintenance"


class Kind(StrEnum):
    """What is to be done."""

    ISSUE_RECEIPT = "receipts.issue"
    ISSUE_PERIOD_RECEIPT = "receipts.issue_period"
    FOLLOW_REFUND = "receipts.follow_refund"
    ADVANCE_FISCAL = "fiscal.advance"
    RECONCILE = "payments.reconcile"
    SIGN_MANDATE = "mandates.sign"
    LOOK_AT_CONTRACT = "mandates.look"
    TELL_MONTH = "mandates.tell"
    CHARGE_MONTH = "mandates.charge"
    END_CONTRACT = "mandates.end_contract"
    SEND_MAIL = "mail.send"
    IMPORT_GIFTS = "gifts.import"


QUEUE_OF = {
    Kind.ISSUE_RECEIPT: Queue.RECEIPTS,
    Kind.ISSUE_PERIOD_RECEIPT: Queue.RECEIPTS,
    Kind.FOLLOW_REFUND: Queue.RECEIPTS,
    Kind.ADVANCE_FISCAL: Queue.RECEIPTS,
    Kind.RECONCILE: Queue.MAINTENANCE,
    Kind.SIGN_MANDATE: Queue.MONEY,
    Kind.LOOK_AT_CONTRACT: Queue.MONEY,
    Kind.TELL_MONTH: Queue.MAINTENANCE,
    Kind.CHARGE_MONTH: Queue.MONEY,
    Kind.END_CONTRACT: Queue.MAINTENANCE,
    Kind.SEND_MAIL: Queue.MAIL,
    Kind.IMPORT_GIFTS: Queue.MAINTENANCE,
}
