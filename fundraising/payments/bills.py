"""Taking a provider's daily files: fetched, checked, and copied line by line into the database.

A file is never held in memory. The same file again changes nothing; another file for the same day
replaces the first one and is reported.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from uuid import UUID

from flask import current_app
from sqlalchemy import select, text

from config import Settings
from fundraising import clock
from fundraising.database import db, transaction
from fundraising.payments.providers.base import BillKind, BillRow, BillStatus, Provider
from fundraising.payments.reconciliation_models import Bill

READ_AT_ONCE = 1024 * 1024
ROWS_AT_ONCE = 2000
COPY = (
    "COPY payment_bill_line (bill_id, line, kind, ref, merchant_ref, payment_ref, minor, at, payer, is_final, "
    "currency) "
    "FROM STDIN"
)
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def take(adapter: Provider, day: date, kind: BillKind) -> tuple[BillStatus, bool]:
    """Take a day's file; return whether there is one, and whether it differs from the one taken before.

    Raises:
        ProviderUnavailable: no believable answer. BillBroken: the file does not hold what it says.
    """
    settings: Settings = current_app.extensions["settings"]
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bill-", dir=settings.var_dir) as folder:
        file = Path(folder) / "bill"
        status = adapter.fetch_bill(day, kind, file)
        if status is BillStatus.NOT_READY:
            return status, False
        with transaction():
            return status, _keep(adapter, day, kind, file if status is BillStatus.READY else None)


def find(provider: str, account: str, day: date, kind: BillKind) -> Bill | None:
    """Return the file of a day, None when it was not taken yet."""
    query = select(Bill).where(
        Bill.provider == provider, Bill.account == account, Bill.day == day, Bill.kind == kind
    )
    return db.session.execute(query).scalar_one_or_none()


def _keep(adapter: Provider, day: date, kind: BillKind, file: Path | None) -> bool:
    sha256 = _hash(file) if file else None
    known = find(adapter.name, adapter.account, day, kind)
    if known is not None and known.sha256 == sha256:
        return False
    bill = known or Bill(provider=adapter.name, account=adapter.account, day=day, kind=kind)
    is_changed = known is not None and known.sha256 is not None
    bill.sha256, bill.fetched_at = sha256, clock.now()
    db.session.add(bill)
    db.session.flush()
    if known is not None:
        db.session.execute(
            text("DELETE FROM payment_bill_line WHERE bill_id = :id"), {"id": bill.id}
        )
    db.session.execute(text("SET LOCAL statement_timeout = '10min'"))
    bill.rows = _copy(bill.id, adapter.read_bill(file, kind)) if file else 0
    db.session.execute(
        text("ANALYZE payment_bill_line, payment_fact")
    )  # what follows joins whole days
    db.session.flush()
    return is_changed


def _copy(bill_id: UUID, rows: Iterator[BillRow]) -> int:
    """Copy rows as they are read; the control totals are checked before anything is committed."""
    driver = db.session.connection().connection.driver_connection
    assert driver is not None
    line, waiting = 0, []
    with driver.cursor() as cursor, cursor.copy(COPY) as copy:
        for row in rows:
            line += 1
            waiting.append(
                f"{bill_id}\t{line}\t{row.kind}\t{_safe(row.ref)}\t{_safe(row.merchant_ref)}\t"
                f"{_safe(row.payment_ref)}\t{row.minor}\t{_safe(row.at)}\t{_safe(row.payer)}\t{row.is_final}\t"
                f"{row.currency}\n"
            )
            if len(waiting) >= ROWS_AT_ONCE:
                copy.write("".join(waiting))
                waiting.clear()
        copy.write("".join(waiting))
    return line


def _safe(value: str) -> str:
    return value if value.isalnum() else value.translate(ESCAPES)


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(READ_AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()
