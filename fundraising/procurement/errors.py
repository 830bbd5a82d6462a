"""What buying refuses."""

from http import HTTPStatus

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class PurchaseNotFound(NotFound):
    """No such purchase, or no such line of it."""

    message = _l("We could not find that purchase.")


class SupplierNotFound(NotFound):
    """No such supplier."""

    message = _l("We could not find that supplier.")


class PaymentNotFound(NotFound):
    """No such payment."""

    message = _l("We could not find that payment.")


class SupplierExists(DomainError):
    """Another supplier has that name."""

    code = "supplier_exists"
    message = _l("A supplier of this name exists already.")


class PurchaseChanged(DomainError):
    """Somebody changed it after the page was opened."""

    code = "purchase_changed"
    message = _l("Someone else changed this in the meantime. Please look at it again.")


class WrongState(DomainError):
    """The purchase or payment does not stand where this step begins."""

    code = "wrong_state"
    message = _l("This step is not possible now: the purchase has moved on.")


class SamePerson(DomainError):
    """Whoever prepared it may not decide on it."""

    status = HTTPStatus.FORBIDDEN
    code = "same_person"
    message = _l("You prepared this yourself: another person must decide on it.")


class NotYours(DomainError):
    """A draft is changed only by the person who prepares it, so that the approver is always another."""

    status = HTTPStatus.FORBIDDEN
    code = "not_yours"
    message = _l("Only the person who prepares this purchase may change it.")


class NothingToBuy(Invalid):
    """A purchase without lines."""

    code = "nothing_to_buy"
    message = _l("Add at least one line first.")


class PapersMissing(Invalid):
    """A purchase goes for approval with its contract, and is paid against its invoice."""

    code = "papers_missing"
    message = _l(
        "Papers are missing: attach the contract before approval, the invoice before payment."
    )


class ReasonMissing(Invalid):
    """A decision against something needs its reason."""

    code = "reason_missing"
    message = _l("Please give the reason.")


class TooMuch(Invalid):
    """More would be accepted or paid than was bought."""

    code = "too_much"
    message = _l("That is more than was bought.")
