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
