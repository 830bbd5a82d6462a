"""Gift files of 30,000 lines, CSV and XLSX, from first look to last booking, against COPY of the same lines.

``python -m tests.bench.gift_files [lines] [--busy]`` measures alone; with ``--busy`` another process keeps a core.
"""

import csv
import io
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl

from fundraising import clock, schema
from fundraising.app import create_app
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.giving import import_batches
from fundraising.giving.import_models import ImportState
from local.postgres import DATABASE, OWNER, Postgres
from tests.bench.figures import Figures, note
from tests.conftest import settings_for
from tests.factories import Make

LINES, ROUNDS, AIM_SECONDS = 30_000, 3, 10.0
HEADINGS = ["捐赠编号", "捐赠时间", "捐赠人", "捐赠金额(元)", "留言", "状态"]
FIRST = datetime(2026, 5, 1, 8, tzinfo=clock.SHANGHAI)
Connect = Callable[[], Any]


def table(mark: str, lines: int) -> list[list[str]]:
    """Return the lines of a file; ``mark`` keeps the numbers of several files apart."""
    return [
        [
            f"{mark}{n:012d}",
            f"{FIRST + timedelta(seconds=40 * n):%Y-%m-%d %H:%M:%S}",
            f"{'李王张刘陈'[n % 5]}**",
            f"{1 + n % 97}.{n % 100:02d}",
            "加油" if n % 7 == 0 else "",
            "成功",
        ]
        for n in range(lines)
    ]


def as_csv(rows: list[list[str]]) -> bytes:
    """Write a table as CSV."""
    out = io.StringIO()
    csv.writer(out).writerows([HEADINGS, *rows])
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(rows: list[list[str]]) -> bytes:
    """Write a table as a workbook."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in [HEADINGS, *rows]:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def copy_seconds(connect: Connect, data: bytes) -> float:
    """Return how long COPY takes for the lines of a CSV file, as text columns."""
    with connect() as connection:
        columns = ", ".join(f"c{n} text" for n in range(len(HEADINGS)))
        connection.execute(f"CREATE TABLE IF NOT EXISTS bench_gifts ({columns})")
        connection.execute("TRUNCATE bench_gifts")
        start = time.perf_counter()
        with connection.cursor().copy("COPY bench_gifts FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(data)
        connection.commit()
        return time.perf_counter() - start


def import_seconds(campaign: Campaign, data: bytes, name: str) -> float:
    """Return how long it takes from bringing a file to its last gift in the books."""
    start = time.perf_counter()
    batch = import_batches.take_over(campaign, "gongyibao", data, name, None)
    assert batch.state == ImportState.DONE
    return time.perf_counter() - start


def importing(connect: Connect, figures: Figures, lines: int = LINES) -> None:
    """Say how long files take, each beside COPY of the same lines in the same round."""
    with transaction():
        campaign = Make(db.session()).campaign()
    note(f"gift files of {lines:,} lines")
    for kind, write in (("CSV", as_csv), ("XLSX", as_xlsx)):
        copies, imports = [], []
        for turn in range(ROUNDS):
            rows = table(f"{kind}{turn}", lines)
            copies.append(copy_seconds(connect, as_csv(rows)))
            imports.append(import_seconds(campaign, write(rows), f"gifts.{kind.lower()}"))
        figures.say(
            f"gift file of {lines:,} lines, {kind}, looked at and booked",
            statistics.median(imports),
            statistics.median(copies),
            "s",
            against=f"COPY of the same lines (aim {AIM_SECONDS:g} s)",
        )


# ---------------------------------------------------------------------- alone


def _burn() -> None:
    while True:
        pass


@contextmanager
def _company(*, is_busy: bool) -> Iterator[None]:
    other = multiprocessing.Process(target=_burn, daemon=True)
    if is_busy:
        other.start()
    yield
    if is_busy:
        other.kill()


def main(lines: int, *, is_busy: bool) -> None:
    """Measure with a database of its own and print figures, processor time and memory."""
    with tempfile.TemporaryDirectory(prefix="gift-files-") as scratch:
        folder = Path(scratch)
        server = Postgres(folder / "postgres")
        server.start()
        try:
            schema.upgrade(server.url(OWNER), server.url())
            figures = Figures()
            with create_app(settings_for(server.url(), folder)).app_context():
                with _company(is_busy=is_busy):
                    importing(lambda: server.connect(OWNER, DATABASE), figures, lines)
                db.session.remove()
                db.engine.dispose()
            used = resource.getrusage(resource.RUSAGE_SELF)
            spent = {"user_seconds": used.ru_utime, "peak_mb": used.ru_maxrss // 1024}
            sys.stdout.write(json.dumps({**figures.found, **spent}, ensure_ascii=False) + "\n")
        finally:
            server.stop()


if __name__ == "__main__":
    asked = [word for word in sys.argv[1:] if word.isdigit()]
    main(int(asked[0]) if asked else LINES, is_busy="--busy" in sys.argv)
