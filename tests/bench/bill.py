"""A bill of a million lines, reconciled, against COPY of the same file into the same server.

``python -m tests.bench.bill [lines]`` prints both times, their ratio and the largest memory of the process
that reconciles. Every payment of the bill is in the books before, as on any ordinary day.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import text

from fundraising import schema
from fundraising.app import create_app
from fundraising.database import db, transaction
from fundraising.giving import reconciling
from fundraising.payments.providers.base import BillKind, BillRow, BillStatus, Provider
from fundraising.payments.providers.wechatpay import bills
from fundraising.payments.simulators.wechatpay_bills import TRADE, TRADE_SUM
from local.postgres import OWNER, Postgres
from tests.conftest import settings_for

DAY = date(2026, 11, 10)
MCHID = "1900000001"
FEN = 1314
WIDTH = TRADE.count(",") + 1


def write(file: Path, lines: int) -> None:
    """Write a trade bill as WeChat Pay gives it."""
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write(f"\ufeff{TRADE}\r\n")
        for n in range(lines):
            seconds = n * 86_399 // max(lines, 1)
            at = f"2026-11-10 {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
            out.write(
                f"`{at},`wx0123456789abcdef,`{MCHID},`0,`,`4200002026{n:018d},`O{n:023d},`o{n:027d},`JSAPI,"
                "`SUCCESS,`OTHERS,`CNY,`13.14,`0.00,`0,`0,`0.00,`0.00,`,`,`守护生命 博爱AED,`,`0.00000,`0.60%,"
                "`13.14,`0.00,`\r\n"
            )
        total = f"{lines * FEN // 100}.{lines * FEN % 100:02d}"
        out.write(f"{TRADE_SUM}\r\n`{lines},`{total},`0.00,`0.00,`0.00000,`{total},`0.00\r\n")


@dataclass(frozen=True)
class OneBill:
    """A provider that has fetched its file already."""

    file: Path
    name: str = "wechatpay"
    account: str = MCHID
    bill_kinds: tuple[BillKind, ...] = (BillKind.TRADE,)

    def fetch_bill(self, _day: date, _kind: BillKind, into: Path) -> BillStatus:
        """Link the file to where it is wanted."""
        into.hardlink_to(self.file)
        return BillStatus.READY

    def read_bill(self, file: Path, _kind: BillKind) -> Iterator[BillRow]:
        """Read it as the real adapter does."""
        return bills.read_trade(file, MCHID)


def known_facts(lines: int) -> None:
    """Put every payment of the bill into the facts."""
    with transaction():
        db.session.execute(text("SET LOCAL statement_timeout = '10min'"))
        db.session.execute(
            text(
                """
                INSERT INTO payment_fact (id, provider, account, kind, fact_ref, merchant_ref, amount_fen,
                                          currency, occurred_at, recorded_at, seen_sources, outcome)
                SELECT gen_random_uuid(), 'wechatpay', :account, 'paid',
                       '4200002026' || lpad(n::text, 18, '0'), 'O' || lpad(n::text, 23, '0'), :fen, 'CNY',
                       '2026-11-10 12:00:00+08', now(), ARRAY['notice'], 'settled'
                FROM generate_series(0, :last) AS n
                """
            ),
            {"account": MCHID, "fen": FEN, "last": lines - 1},
        )


def copy_seconds(server: Postgres, file: Path) -> float:
    """Return how long COPY takes for the lines of the file, as text columns."""
    columns = ", ".join(f"c{n} text" for n in range(WIDTH))
    with server.connect(database="fundraising") as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS bench_copy ({columns})")
        connection.execute("TRUNCATE bench_copy")
        start = time.perf_counter()
        with file.open("rb") as lines, connection.cursor() as cursor:
            lines.readline()
            with cursor.copy("COPY bench_copy FROM STDIN (FORMAT csv, QUOTE E'\\x01')") as copy:
                while chunk := lines.readlines(1 << 20):
                    copy.write(b"".join(line for line in chunk if line.count(b",`") == WIDTH - 1))
        connection.commit()
        return time.perf_counter() - start


def measure(lines: int) -> dict[str, Any]:
    """Return the figures of one run."""
    with tempfile.TemporaryDirectory(prefix="bill-") as scratch:
        folder = Path(scratch)
        server = Postgres(folder / "postgres")
        server.start()
        try:
            schema.upgrade(server.url(OWNER), server.url())
            file = folder / "bill.csv"
            write(file, lines)
            app = create_app(settings_for(server.url(), folder))
            with app.app_context():
                known_facts(lines)
                db.session.remove()
                copies = sorted(copy_seconds(server, file) for _ in range(3))
                adapter: Provider = OneBill(file)  # type: ignore[assignment]
                start = time.perf_counter()
                done = reconciling.run(adapter, DAY)
                took = time.perf_counter() - start
                db.session.remove()
                db.engine.dispose()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            return {
                "lines": lines,
                "state": done.state,
                "copy_seconds": round(copies[1], 2),
                "reconcile_seconds": round(took, 2),
                "ratio_to_copy": round(took / copies[1], 2),
                "peak_mb": round(peak),
            }
        finally:
            server.stop()


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)))  # noqa: T201
