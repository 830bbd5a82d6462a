"""What staff accounts refuse."""

from fundraising.errors import DomainError, Invalid
from fundraising.i18n import lazy_gettext as _l


class AccountExists(DomainError):
    """The address has an account already."""

    code = "account_exists"
    message = _l("This address has an account already.")


class UnknownRole(Invalid):
    """No such role."""

    code = "unknown_role"
    message = _l("There is no such role.")


class LastAdministrator(DomainError):
    """Nobody would be left who can manage staff."""

    code = "last_administrator"
    message = _l("At least one administrator must stay.")
