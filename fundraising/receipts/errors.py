"""What receipts refuse."""

from fundraising.errors import DomainError, NotFound
from fundraising.i18n import lazy_gettext as _l


class ReceiptNotFound(NotFound):
    """No such receipt."""

    message = _l("We could not find that receipt.")


class NotPaidYet(DomainError):
    """A receipt confirms money that came in, and none has."""

    code = "not_paid_yet"
    message = _l("There is no receipt yet: the gift has not been paid.")
