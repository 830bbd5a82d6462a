"""What funds refuse."""

from fundraising.errors import DomainError, NotFound
from fundraising.i18n import lazy_gettext as _l


class FundOverspent(DomainError):
    """More would be spent, reserved or refunded than the fund holds."""

    code = "fund_overspent"
    message = _l("The fund does not hold that much unspent money.")


class FundNotFound(NotFound):
    """No such fund."""

    message = _l("We could not find that fund.")


class LotNotFound(NotFound):
    """No money was booked for that source."""

    message = _l("No money has been booked for that gift.")


class LineOverdrawn(DomainError):
    """A spending line would draw or reserve more than its amount."""

    code = "line_overdrawn"
    message = _l("That is more than this spending line allows.")
