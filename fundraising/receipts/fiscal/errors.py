"""What fiscal receipts refuse."""

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class FiscalOff(DomainError):
    """This installation has no interface to a finance department."""

    code = "fiscal_off"
    message = _l(
        "There is no interface to the finance department here. Enter issued bills by their file."
    )


class BillNotFound(NotFound):
    """No such bill."""

    message = _l("We could not find that fiscal receipt.")


class BillNotIssued(DomainError):
    """Only a bill that stands can be cancelled by a red one."""

    code = "bill_not_issued"
    message = _l("Only an issued fiscal receipt can be cancelled by a red one.")


class NothingToBill(DomainError):
    """Nothing was paid, or all of it went back."""

    code = "nothing_to_bill"
    message = _l("There is no money for which a fiscal receipt could be issued.")


class PayerMissing(Invalid):
    """The department needs a payer."""

    code = "payer_missing"
    message = _l("Write the payer's name as the fiscal receipt should show it.")
