"""What a channel without any interface of its own answers: bank transfers, cash, files of platforms."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

from fundraising.payments.providers.base import (
    BillKind,
    BillRow,
    BillStatus,
    CloseResult,
    Envelope,
    Fact,
    OrderState,
    QueryResult,
    RefundRequest,
    RefundResult,
    RefundState,
    Rejected,
    Reply,
    Unparsable,
)


class Offline:
    """The halves of a provider that money outside any interface does not have."""

    bill_kinds: tuple[BillKind, ...] = ()
    largest_notice: int = 0
    unborn_for: timedelta = timedelta(0)

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Believe nothing: such a channel sends no notices."""
        raise Rejected("this channel sends no notices")

    def parse(self, raw: bytes) -> list[Fact]:
        """Read nothing."""
        raise Unparsable("this channel sends no notices")

    def reply(self, status: int) -> Reply:
        """Answer in plain words."""
        return Reply(status, "refused", "text/plain")

    def query(self, merchant_ref: str) -> QueryResult:
        """Know nothing of orders: a statement says what came."""
        return QueryResult(OrderState.NOTPAY)

    def close(self, merchant_ref: str) -> CloseResult:
        """Let the order end here: nobody else knows of it."""
        return CloseResult.NOT_EXIST

    def refund(self, request: RefundRequest) -> RefundResult:
        """Let it wait: a person sends the money at the bank, and the statement says that it went."""
        return RefundResult(RefundState.PROCESSING)

    def query_refund(self, request: RefundRequest) -> RefundResult:
        """Know no more than before: only the statement tells."""
        return RefundResult(RefundState.PROCESSING)

    def fetch_bill(self, day: date, kind: BillKind, into: Path) -> BillStatus:
        """Have no bill."""
        return BillStatus.EMPTY

    def read_bill(self, file: Path, kind: BillKind) -> Iterator[BillRow]:
        """Read nothing."""
        return iter(())
