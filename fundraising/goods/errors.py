"""What the store refuses."""

from http import HTTPStatus

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class GoodsNotFound(NotFound):
    """No such goods, place or paper."""

    message = _l("We could not find those goods.")


class SameKeeper(DomainError):
    """One person may not be both."""

    status = HTTPStatus.FORBIDDEN
    code = "same_person"
    message = _l("You did the first step yourself. Another person has to do this one.")


class AlreadyOver(DomainError):
    """It was confirmed, withdrawn or decided before."""

    code = "goods_over"
    message = _l("This was decided already.")


class NotInStock(DomainError):
    """Less lies there, or only goods that have expired."""

    code = "not_in_stock"
    message = _l("That much does not lie there. Goods that have expired are not handed out.")


class QuantityRefused(Invalid):
    """No quantity, or with more decimals than the unit has."""

    code = "quantity_refused"
    message = _l("Write a quantity above zero, with no more decimals than its unit has.")


class ValueRefused(Invalid):
    """A value without basis and evidence, or a basis without value."""

    code = "value_refused"
    message = _l("A value needs its basis and its evidence; without a basis there is no value.")


class PaperMissing(Invalid):
    """A step needs its paper or reason."""

    code = "paper_missing"
    message = _l("This step needs its paper or its reason.")
