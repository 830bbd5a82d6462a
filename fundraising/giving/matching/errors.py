"""What matching refuses."""

from http import HTTPStatus

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class PledgeNotFound(NotFound):
    """No such pledge or match."""

    message = _l("We could not find that pledge.")


class PledgeRefused(Invalid):
    """The rule, the pool or the days make no sense."""

    code = "pledge_refused"
    message = _l("A pledge needs a rule, a pool above zero, and an end after its beginning.")


class SamePledger(DomainError):
    """Whoever wrote a pledge down may not approve it."""

    status = HTTPStatus.FORBIDDEN
    code = "same_person"
    message = _l("You wrote this pledge down yourself. Another person approves it.")


class PledgeOver(DomainError):
    """The pledge was approved or ended before."""

    code = "pledge_over"
    message = _l("This pledge was approved or ended already.")


class NothingOwed(DomainError):
    """The bank line is more than the matcher owes."""

    code = "nothing_owed"
    message = _l("The matcher does not owe that much.")
