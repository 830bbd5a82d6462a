"""What monthly giving refuses."""

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class MandateNotFound(NotFound):
    """No such mandate or month, or not for this person: the answer is the same."""

    message = _l("We could not find that monthly gift.")


class MandateOver(DomainError):
    """It is paused or has ended: nothing is asked or changed any more."""

    code = "mandate_over"
    message = _l("This monthly gift is paused or has ended. Nothing was charged.")


class MonthOver(DomainError):
    """That month was skipped, or belongs to an order already."""

    code = "month_over"
    message = _l("This month needs no gift any more. Nothing was charged.")


class AgreementOff(DomainError):
    """No agreement can be signed for it: not offered here, not in this browser, or one stands."""

    code = "agreement_off"
    message = _l("This cannot be agreed to here at present. Nothing was changed.")


class DayRefused(Invalid):
    """Not a day of a month."""

    code = "day_refused"
    message = _l("Choose a day from 1 to 31.")
