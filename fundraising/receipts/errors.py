"""What receipts refuse."""

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class ReceiptNotFound(NotFound):
    """No such receipt."""

    message = _l("We could not find that receipt.")


class ReceiptBeingMade(DomainError):
    """The money is booked; the worker writes the receipt in the next seconds."""

    code = "receipt_being_made"
    message = _l("Your receipt is being made. Please look again in a moment.")


class ReceiptNotAskedFor(DomainError):
    """The donor wanted none at once; the gift's page makes one at any time."""

    code = "receipt_not_asked_for"
    message = _l("No receipt has been issued for this gift yet. You can have one at any time.")


class NotPaidYet(DomainError):
    """A receipt confirms money that came in, and none has."""

    code = "not_paid_yet"
    message = _l("There is no receipt yet: the gift has not been paid.")


class AlreadyVoid(DomainError):
    """The gift is on no receipt that stands."""

    code = "already_void"
    message = _l("There is no valid receipt for this gift.")


class PeriodReceipt(DomainError):
    """A receipt that lists several gifts is for its own address only, which its donor has by mail."""

    code = "period_receipt"
    message = _l("This gift is on a receipt with others. It was sent to the address on file.")


class VoidReasonMissing(Invalid):
    """A receipt is made void with words that everybody may read."""

    code = "void_reason_missing"
    message = _l("Write why the receipt is made void. Everybody who checks it reads that.")
