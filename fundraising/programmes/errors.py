"""What the record of training refuses."""

from http import HTTPStatus

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class SessionNotFound(NotFound):
    """No such training session."""

    message = _l("We could not find that training session.")


class SessionChanged(DomainError):
    """Somebody changed the session after the page was opened."""

    code = "session_changed"
    message = _l("Someone else changed this session in the meantime. Please look at it again.")


class AlreadyDecided(DomainError):
    """The session was confirmed or withdrawn before."""

    code = "already_decided"
    message = _l("This session was confirmed or withdrawn already.")


class SameRecorder(DomainError):
    """Whoever recorded a session may not confirm it."""

    status = HTTPStatus.FORBIDDEN
    code = "same_person"
    message = _l("You recorded this session yourself. Another person has to confirm it.")


class NotHeldYet(Invalid):
    """A session in the future has trained nobody."""

    code = "not_held_yet"
    message = _l("This date lies in the future.")


class WithdrawalReasonMissing(Invalid):
    """A withdrawal needs its reason."""

    code = "reason_missing"
    message = _l("Please give the reason.")
