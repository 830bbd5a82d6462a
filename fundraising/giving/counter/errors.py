"""What the counter refuses."""

from http import HTTPStatus

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class CountNotFound(NotFound):
    """No such count, book or cheque."""

    message = _l("We could not find that count.")


class SameCounter(DomainError):
    """Whoever counted first may not be the second person."""

    status = HTTPStatus.FORBIDDEN
    code = "same_person"
    message = _l("You counted this yourself. Another person has to count again.")


class CountOver(DomainError):
    """The count was booked or withdrawn before."""

    code = "count_over"
    message = _l("This count was booked or withdrawn already.")


class CountDoesNotAdd(Invalid):
    """What was counted and what the list says are two sums."""

    code = "count_does_not_add"
    message = _l("The cash counted is not the sum of the cash gifts on the list.")


class CountEmpty(Invalid):
    """Nothing was counted."""

    code = "count_empty"
    message = _l("Nothing was counted.")


class PaperNumberRefused(Invalid):
    """A paper number is used, void, of another book, or leaves a gap."""

    code = "paper_number_refused"
    message = _l("Paper receipts are used in their order, each once.")


class ReasonMissing(Invalid):
    """A step back needs its reason."""

    code = "reason_missing"
    message = _l("Please give the reason.")


class BookRefused(Invalid):
    """The book's code is taken, or its numbers make no sense."""

    code = "book_refused"
    message = _l("A book needs a code of its own and between 1 and 1,000 numbers.")


class ChequeOver(DomainError):
    """The cheque was not booked, or has bounced already."""

    code = "cheque_over"
    message = _l("This is not a cheque that waits for its bank.")
