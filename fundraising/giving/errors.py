"""What giving refuses."""

from http import HTTPStatus

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class GiftNotFound(NotFound):
    """No such gift, or not for this person: the answer is the same."""

    message = _l("We could not find that gift.")


class IdempotencyConflict(DomainError):
    """The same key came with another body."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_conflict"
    message = _l("This form was sent before with other values. Please open the page again.")


class AmountRefused(Invalid):
    """The amount lies outside what the campaign takes."""

    code = "amount_refused"
    message = _l("This amount cannot be given here.")


class AddressNeeded(Invalid):
    """A receipt by month or year has to go somewhere."""

    code = "address_needed"
    message = _l("A receipt by month or year goes to your e-mail address. Please write it.")


class NameRefused(Invalid):
    """A name is wanted in public and none was written."""

    code = "name_refused"
    message = _l("Please write the name to be shown, or choose to stay anonymous.")


class TextRefused(Invalid):
    """A name or message holds what cannot be shown."""

    code = "text_refused"
    message = _l("Please leave out links and unusual characters.")


class MoneyWaits(DomainError):
    """A review cannot be closed while its money has no place."""

    code = "money_waits"
    message = _l("Its money still waits. Take it, give it to a campaign or send it back first.")


class NotByThisRoad(DomainError):
    """The money did not come, or does not stand, where this could be done with it."""

    code = "not_by_this_road"
    message = _l("This cannot be done with this money. Look at what happened to it so far.")


class PaidInForeignMoney(DomainError):
    """Only the provider knows the rate: such a payment goes back from its own console."""

    code = "paid_in_foreign_money"
    message = _l(
        "This payment was not made in yuan. Only the payment service can send it back: look for its "
        "number in the service’s own console and refund it there. The refund is found and booked here "
        "by itself."
    )


class RefundBlocked(DomainError):
    """Something forbids the refund at the moment; ``extra['reasons']`` says what."""

    code = "refund_blocked"
    message = _l("This gift cannot be refunded at the moment: its fiscal receipt is still out.")


class TaxNumberRefused(Invalid):
    """Not a number of the tax office."""

    code = "tax_number_refused"
    message = _l("A tax number has 15 to 20 letters and digits.")


class PlacingReasonMissing(Invalid):
    """A proposal needs words that say how one knows."""

    code = "placing_reason_missing"
    message = _l("Write how you know whose money it is and what it is for.")


class LineNotInSuspense(DomainError):
    """The line waits in no suspense account, or somebody proposed something for it already."""

    code = "line_not_in_suspense"
    message = _l(
        "This bank line does not wait to be placed, or somebody proposed something already."
    )


class PlacingOver(DomainError):
    """The proposal was decided before."""

    code = "placing_over"
    message = _l("This proposal was decided already.")


class PlacingNotFound(NotFound):
    """No such proposal."""

    message = _l("We could not find that proposal.")


class ImportNotFound(NotFound):
    """No such batch."""

    message = _l("We could not find that import.")


class ImportRefused(Invalid):
    """The file holds lines that cannot be used; nothing is booked until they are mended."""

    code = "import_refused"
    message = _l("The file holds lines that cannot be used. Nothing was booked.")


class NotReady(DomainError):
    """Only a file that was looked at and holds no refused line can be booked."""

    code = "import_not_ready"
    message = _l("This file is not ready to be booked.")
