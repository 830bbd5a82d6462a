"""Errors a person may see: each says what happened, with a stable code and an HTTP status."""

from http import HTTPStatus
from typing import Any

from fundraising.i18n import lazy_gettext as _l


class DomainError(Exception):
    """Something the rules of the charity refuse. One handler renders it as a page or problem document."""

    status: HTTPStatus = HTTPStatus.CONFLICT
    code: str = "refused"
    message: Any = _l("This is not possible.")

    def __init__(self, message: Any = None, **extra: Any) -> None:
        super().__init__(str(message) if isinstance(message, str) else type(self).__name__)
        if message is not None:
            self.message = message
        self.extra = extra


class NotFound(DomainError):
    """What was asked for does not exist, or is not for this person: the answer is the same."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"
    message = _l("We could not find that.")


class Invalid(DomainError):
    """The input cannot be accepted; ``extra['fields']`` may name the fields."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid"
    message = _l("Please check what you entered.")


class NotAllowed(DomainError):
    """The person is known but may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = "not_allowed"
    message = _l("Your account may not do this.")
