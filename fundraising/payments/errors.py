"""What collecting money refuses."""

from http import HTTPStatus

from fundraising.errors import DomainError, NotFound
from fundraising.i18n import lazy_gettext as _l


class PaymentUnavailable(DomainError):
    """The provider does not answer; nothing is lost and trying again is safe."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "payment_unavailable"
    message = _l(
        "The payment service does not answer at the moment. You have not been charged; please try again."
    )


class ProductOff(DomainError):
    """This way to pay is not set up here."""

    code = "product_off"
    message = _l("This way to pay is not available here.")


class AttemptNotFound(NotFound):
    """No such payment."""


class AttemptOver(DomainError):
    """The attempt is paid, closed or expired: a new one is needed."""

    code = "attempt_over"
    message = _l("This payment has ended. Please start again; you will not be charged twice.")


class RefundNotFound(NotFound):
    """No such refund."""


class RefundTooLarge(DomainError):
    """More would go back than is left of the payment."""

    code = "refund_too_large"
    message = _l("Less than that is left of this payment, after what went back or is on its way.")


class RefundMovedOn(DomainError):
    """Money of the payment was set aside to go back after the form was opened."""

    code = "refund_moved_on"
    message = _l(
        "Money of this payment was sent on its way back after you opened this form. "
        "Look at what is left, then ask again if more is to go back."
    )


class TooManyRefunds(DomainError):
    """A payment may be refunded in so many parts and no more."""

    code = "too_many_refunds"
    message = _l("This payment has had as many refunds as the payment service allows.")


class RefundNotOpen(DomainError):
    """The refund is not in a state in which this can be done."""

    code = "refund_not_open"
    message = _l("This refund is not waiting for that any more.")


class SamePerson(DomainError):
    """Two people are needed, and this is the first one again."""

    status = HTTPStatus.FORBIDDEN
    code = "same_person"
    message = _l("Somebody else must approve this: you asked for it.")


class ExplanationMissing(DomainError):
    """A difference is closed only after somebody said what it is."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "explanation_missing"
    message = _l("Write what the difference is and what was done about it.")


class LookedInto(DomainError):
    """A difference or a review was closed in the meantime: what was said of it stays."""

    code = "looked_into"
    message = _l("This was closed already. Nothing was changed.")
