"""Bank transfer: the donor is told our account and a code; the bank's statement says what came."""

from dataclasses import dataclass

from fundraising.payments.providers.base import Instruction, OrderRequest, PayKind
from fundraising.payments.providers.offline import Offline


@dataclass(frozen=True)
class BankTransfer(Offline):
    """The chapter's own bank account; ``account`` is its number without spaces."""

    account: str
    holder: str
    bank_name: str
    name: str = "bank"

    @property
    def account_shown(self) -> str:
        """The account's number in groups of four, as people read it."""
        return " ".join(self.account[at : at + 4] for at in range(0, len(self.account), 4))

    def open_order(self, order: OrderRequest) -> Instruction:
        """Give the reference code of the order; nothing is opened anywhere."""
        return Instruction(PayKind.TRANSFER, order.merchant_ref)
