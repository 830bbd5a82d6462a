"""``make bench``: settling, pages, traces and receipts, each against a reference in the same run.

References: pgbench TPC-B (scale 10, 8 clients, durable settings) for settling; a bare Flask page under the
same server for pages; bare Typst for receipts. Figures are medians; all go to ``bench-results.json``.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from flask import Flask
from sqlalchemy import event, text

import config
from fundraising import clock, create_app, schema, typesetting
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.funds import queries as funds
from fundraising.giving import service, settlement
from fundraising.giving.service import StartGift
from fundraising.ledger import chart, checks
from fundraising.ledger import service as ledger
from fundraising.ledger.models import EntryKind
from fundraising.money import Money
from fundraising.payments.providers.base import Product
from fundraising.receipts import papers
from fundraising.receipts import service as receipts
from fundraising.receipts.template import LAYOUTS, NEWEST
from fundraising.web import pages
from local import processes
from local.postgres import DATABASE, OWNER, Postgres
from tests import wechat
from tests.bench import load
from tests.factories import Make
from tests.wechat import Notice

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
SETTLE = 4000
RECEIPTS = 150
FIGURES: dict[str, Any] = {}


def say(name: str, value: float, reference: float, unit: str, note: str = "") -> None:
    """Print and keep a figure with its ratio to the reference."""
    ratio = value / reference if reference else 0.0
    FIGURES[name] = {
        "value": round(value, 2),
        "reference": round(reference, 2),
        "ratio": round(ratio, 3),
        "unit": unit,
        "note": note,
    }
    sys.stdout.write(f"{name:<46} {value:>10.1f} {unit:<12} ratio {ratio:.3f}  {note}\n")
    sys.stdout.flush()


def pgbench(server: Postgres) -> float:
    """Return TPC-B transactions per second, 8 clients."""
    connection = ["-h", "127.0.0.1", "-p", server.facts["port"], "-U", "postgres"]
    environment = {"PGPASSWORD": server.facts["postgres"], "PATH": "/usr/bin:/bin"}
    program = str(server.program("pgbench"))
    with server.connect() as c:
        if c.execute("SELECT 1 FROM pg_database WHERE datname = 'bench'").fetchone() is None:
            c.execute("CREATE DATABASE bench")
            subprocess.run(
                [program, *connection, "-q", "-i", "-s", "10", "bench"],
                env=environment,
                check=True,
                capture_output=True,
            )
    done = subprocess.run(
        [program, *connection, "-c", "8", "-j", "2", "-T", "5", "bench"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found is not None
    return float(found.group(1))


def median(rounds: int, measure: Callable[[], float]) -> float:
    """Return the median of several rounds."""
    return statistics.median(measure() for _ in range(rounds))


class Bench:
    """One database, one application, one web server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Postgres(folder / "postgres")
        self.server.start()
        schema.upgrade(self.server.url(OWNER), self.server.url())
        self.keys = folder / "keys"
        self.keys.mkdir()
        self._write_keys()
        self.settings = self._settings()
        self.app: Flask = create_app(self.settings)

    def _write_keys(self) -> None:
        pem = serialization.Encoding.PEM
        private = wechat.key("merchant").private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / "merchant.pem").write_bytes(private)
        public = wechat.key("platform").public_key()
        (self.keys / f"{wechat.SERIAL}.pem").write_bytes(
            public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def variables(self) -> dict[str, str]:
        """The environment of the web server."""
        return {
            "ENVIRONMENT": "test",
            "DATABASE_URL": self.server.url(),
            "SECRET_KEY": "a secret key for the benchmark only",
            "PUBLIC_URL": "http://127.0.0.1",
            "TRUSTED_HOSTS": "127.0.0.1",
            "RATELIMIT_ENABLED": "false",
            "VAR_DIR": str(self.folder),
            "FILES_DIR": str(self.folder / "files"),
            "WECHATPAY_MCHID": wechat.MCHID,
            "WECHATPAY_APPID": wechat.APPID,
            "WECHATPAY_APIV3_KEY": wechat.APIV3.decode(),
            "WECHATPAY_PRIVATE_KEY_FILE": str(self.folder / "merchant.pem"),
            "WECHATPAY_VERIFY_KEYS_DIR": str(self.keys),
            "PATH": "/usr/bin:/bin",
        }

    def _settings(self) -> config.Settings:
        values: dict[str, Any] = {name.lower(): value for name, value in self.variables().items()}
        return config.Settings(**values)

    def web(self, target: str = "wsgi:app") -> tuple[subprocess.Popen[bytes], int]:
        """Serve an application as production does; return process and port."""
        port = processes.free_port()
        process = processes.spawn(
            [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--workers", "2",
             "--blocking-threads", "4", "--no-ws", "--log-level", "error", target],
            env=self.variables(), cwd=ROOT,
        )  # fmt: skip
        processes.wait_for(lambda: processes.answers("127.0.0.1", port), 30)
        time.sleep(2)
        return process, port

    def orders(self, campaign: Campaign, count: int) -> list[Notice]:
        """Start gifts and return the notices that will pay them."""
        notices: list[Notice] = []
        for start in range(0, count, 500):
            with transaction():
                for _ in range(min(500, count - start)):
                    gift = service.start_gift(
                        StartGift(campaign.slug, Money(1314), Product.WECHATPAY_NATIVE, uuid4().hex)
                    )
                    notices.append(Notice(gift.order_no, 1314, openid=f"o{uuid4().hex}"))
            db.session.expunge_all()
        return notices


def settle_over_http(bench: Bench, campaign: Campaign, port: int, tpcb: float) -> None:
    """Notices in by HTTP to settled in the ledger, and the drain alone."""
    requests = []
    for notice in bench.orders(campaign, SETTLE):
        raw = notice.raw()
        requests.append(load.post("/payments/wechatpay/notify", port, notice.headers(raw), raw))
    begun = time.monotonic()
    accepted = load.run(port, requests, wanted=204)
    accept_seconds = time.monotonic() - begun
    begun = time.monotonic()
    settled = settlement.drain(timedelta(seconds=60))
    drain_seconds = time.monotonic() - begun
    assert settled == SETTLE, (settled, accepted)
    say(
        "notices accepted per second", accepted.per_second, tpcb, "/s", f"{accepted.others} refused"
    )
    say(
        "drain alone, inbox to ledger",
        SETTLE / drain_seconds,
        tpcb,
        "/s",
        "against TPC-B, 8 clients",
    )
    whole = SETTLE / (accept_seconds + drain_seconds)
    say("notices settled, HTTP to ledger", whole, tpcb, "/s", "one after the other on two cores")


def bulk_gifts(campaign: Campaign, count: int) -> UUID:
    """Put paid gifts behind a campaign as sets, with entries, lots and day totals; return one gift's id."""
    step = 20_000
    last: UUID | None = None
    for start in range(0, count, step):
        size = min(step, count - start)
        with transaction():
            last = _bulk_set(campaign, size)
    assert last is not None
    return last


def _bulk_set(campaign: Campaign, size: int) -> UUID:
    from fundraising.giving import booking
    from fundraising.giving.booking import WholeGift

    gifts = [
        WholeGift("gongyibao", uuid4().hex, Money(100 + n % 1900), clock.now()) for n in range(size)
    ]
    account = chart.clearing("gongyibao")
    booking.book_set(campaign, gifts, kind=EntryKind.GIFT_IMPORTED, account=account)
    found: UUID = db.session.execute(
        text("SELECT source_id FROM fund_lot WHERE fund_id = :f ORDER BY ordinal DESC LIMIT 1"),
        {"f": campaign.fund_id},
    ).scalar_one()
    return found


def spend(campaign: Campaign) -> None:
    """Draw most of the fund on lines of a hundred units, so that traces have something to find."""
    make = Make(db.session())
    free = funds.totals(campaign.fund_id).unspent_fen // 2
    with transaction():
        line = make.line(campaign.fund_id, free)
        from fundraising.funds import service as fund_service

        for _ in range(100):
            fund_service.draw(line.id, Money(free // 100), unit_id=uuid4())


def milliseconds(action: Callable[[], object], rounds: int = 30) -> float:
    """Return the median time of an action in milliseconds, each in a fresh session."""
    times = []
    for _ in range(rounds):
        db.session.remove()
        begun = time.perf_counter()
        action()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def statements(action: Callable[[], object]) -> int:
    """Return how many statements an action sends, cold."""
    seen: list[str] = []

    def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    db.session.remove()
    event.listen(db.engine, "before_cursor_execute", note)
    action()
    event.remove(db.engine, "before_cursor_execute", note)
    return len(seen)


def growth(bench: Bench) -> None:
    """Campaign page and trace with a thousand and with a million gifts."""
    results: dict[int, tuple[float, float, int]] = {}
    for count in (1_000, 1_000_000):
        with transaction():
            campaign = Make(db.session()).campaign()
        begun = time.monotonic()
        gift = bulk_gifts(campaign, count)
        spend(campaign)
        with transaction():
            ledger.fold_totals()
            settlement.fold_days()
        sys.stdout.write(f"  loaded {count:,} gifts in {time.monotonic() - begun:.0f} s\n")
        slug = campaign.slug
        with bench.app.test_request_context("/"):
            page = milliseconds(partial(pages.campaign_page, slug))
            trace = milliseconds(partial(funds.trace, gift))
            results[count] = (page, trace, statements(partial(pages.campaign_page, slug)))
    small, large = results[1_000], results[1_000_000]
    say("campaign page at 1,000,000 gifts", large[0], small[0], "ms", "against 1,000 gifts")
    say("my-gift trace at 1,000,000 gifts", large[1], small[1], "ms", "against 1,000 gifts")
    say("SQL statements of the campaign page, cold", large[2], small[2], "statements")
    db.session.remove()
    begun = time.monotonic()
    findings = checks.run_all()
    db.session.rollback()
    say(
        "books check over a million gifts",
        time.monotonic() - begun,
        0,
        "s",
        f"{len(findings)} findings",
    )


def receipt_speed(bench: Bench, campaign: Campaign) -> None:
    """Receipts issued with number, snapshot and PDF, against setting the same page alone."""
    ids = list(
        db.session.execute(
            text(
                "SELECT id FROM giving_gift WHERE campaign_id = :c AND paid_at IS NOT NULL LIMIT :n"
            ),
            {"c": campaign.id, "n": RECEIPTS},
        ).scalars()
    )
    with bench.app.test_request_context("/"):
        begun = time.monotonic()
        for gift_id in ids:
            with transaction():
                receipt = receipts.issue(gift_id)
        issued = len(ids) / (time.monotonic() - begun)
        data = papers.page(receipt)
        begun = time.monotonic()
        for number in range(len(ids)):
            typesetting.pdf(LAYOUTS[NEWEST], {**data, "number": str(number)})
        bare = len(ids) / (time.monotonic() - begun)
    say("receipts per second", issued, bare, "/s", "against bare Typst")


def page_speed(bench: Bench, slug: str, port: int) -> None:
    """The campaign page while nothing else happens, against a bare page under the same server."""
    bare_process, bare_port = bench.web("tests.bench.bare:app")
    try:
        bare = median(
            ROUNDS,
            lambda: load.run(bare_port, [load.get("/", bare_port)] * 20_000, seconds=4).per_second,
        )
        full = median(
            ROUNDS,
            lambda: load.run(port, [load.get(f"/c/{slug}", port)] * 20_000, seconds=4).per_second,
        )
    finally:
        processes.end(bare_process)
    say("campaign page per second", full, bare, "/s", "against a bare Flask page, same server")


def main() -> None:
    """Measure everything once and write the file."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        process, port = bench.web()
        try:
            with bench.app.app_context():
                tpcb = median(ROUNDS, lambda: pgbench(bench.server))
                say("pgbench TPC-B, 8 clients (reference)", tpcb, tpcb, "tps")
                with transaction():
                    campaign = Make(db.session()).campaign()
                settle_over_http(bench, campaign, port, tpcb)
                page_speed(bench, campaign.slug, port)
                receipt_speed(bench, campaign)
                growth(bench)
                db.session.remove()
                db.engine.dispose()
        finally:
            processes.end(process)
            bench.server.stop()
    FIGURES["database"] = DATABASE
    (ROOT / "bench-results.json").write_text(json.dumps(FIGURES, indent=2))


if __name__ == "__main__":
    main()
