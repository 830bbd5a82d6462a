"""What the bank itself does to the account: its charges, and the interest it pays. A person says which a line is.

Neither belongs to a fund. Charges are administrative costs; interest lowers the costs of raising funds, as the
民间非营利组织会计制度 (财会〔2004〕7号) says of account 5301 筹资费用: interest that lowers them is debited to 银行存款
and credited there.
"""

from uuid import UUID

from fundraising.errors import DomainError
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.payments import bank_booking
from fundraising.payments.models import BankLine

LARGEST_CHARGE = Money(100_000)
"""More than that leaves no account as a charge on one person's word."""


class ChargeTooLarge(DomainError):
    """So much is no charge of a bank."""

    code = "charge_too_large"
    message = _l("More than 1,000 yuan is no bank charge. Money out needs its own voucher.")


def book_charge(line: BankLine, actor_id: UUID) -> UUID:
    """Book what the bank charged, or a charge that it gave back.

    Raises:
        NotWaiting: the line is money in that reverses nothing.
        ChargeTooLarge: it is more than a bank charges.
        AlreadyMatched: the line was booked before.
    """
    bank_booking.require_fitting(line, is_out=True)
    if abs(line.amount_fen) > LARGEST_CHARGE.minor:
        raise ChargeTooLarge
    return bank_booking.post(line, EntryKind.BANK_CHARGED, chart.BANK_CHARGES, actor_id)


def book_interest(line: BankLine, actor_id: UUID) -> UUID:
    """Book interest the bank paid, or took back.

    Raises:
        NotWaiting: the line is money out that reverses nothing.
        AlreadyMatched: the line was booked before.
    """
    bank_booking.require_fitting(line, is_out=False)
    return bank_booking.post(line, EntryKind.BANK_INTEREST, chart.BANK_INTEREST, actor_id)
