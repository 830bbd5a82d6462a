"""What the ledger refuses."""

from fundraising.errors import DomainError, NotFound
from fundraising.i18n import lazy_gettext as _l


class KeyReused(DomainError):
    """The same key came again with another body: an alarm, never a correction."""

    code = "key_reused"
    message = _l("This was booked before with other amounts.")


class Unbalanced(DomainError):
    """The lines of an entry do not sum to zero, or are fewer than two."""

    code = "unbalanced"
    message = _l("Debits and credits differ.")


class PeriodClosed(DomainError):
    """The month is closed or cannot be closed."""

    code = "period_closed"
    message = _l("This month of the books is closed.")


class EntryNotFound(NotFound):
    """No such journal entry."""

    message = _l("We could not find that voucher.")


class ChartFull(DomainError):
    """No number is left for another sub-account."""

    code = "chart_full"
    message = _l("The chart of accounts has no number left for another channel.")
