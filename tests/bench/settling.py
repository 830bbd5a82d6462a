"""Notices: accepted against one bare INSERT, drained and settled end to end against TPC-B."""

import re
import subprocess
import time
from collections.abc import Sequence
from functools import partial

from fundraising.campaigns.models import Campaign
from local.postgres import Postgres
from tests.bench import bulk, load
from tests.bench.figures import Figures, note, side_by_side
from tests.bench.load import Load
from tests.bench.site import WORKERS, Site

ROUNDS = 3
ACCEPTED, ACCEPT_SECONDS = 1500, 3.0
WARMING = 200
DRAINED = 2500
SETTLED = 1500
TPCB_SECONDS = 3
TPCB = "pgbench TPC-B, 8 clients"
INSERT = "a bare Flask route that commits one INSERT"


def pgbench(server: Postgres) -> float:
    """Return TPC-B transactions per second: scale 10, 8 clients, the same server and settings."""
    program = str(server.program("pgbench"))
    where = ["-h", "127.0.0.1", "-p", server.facts["port"], "-U", "postgres"]
    environment = {"PGPASSWORD": server.facts["postgres"], "PATH": "/usr/bin:/bin"}

    def call(*words: str) -> str:
        return subprocess.run(
            [program, *where, *words], env=environment, check=True, capture_output=True, text=True
        ).stdout

    with server.connect() as c:
        if c.execute("SELECT FROM pg_database WHERE datname = 'bench'").fetchone() is None:
            c.execute("CREATE DATABASE bench")
            call("-q", "-i", "-s", "10", "bench")
    found = re.search(
        r"tps = ([0-9.]+)", call("-c", "8", "-j", "2", "-T", str(TPCB_SECONDS), "bench")
    )
    assert found is not None
    return float(found.group(1))


def accepting(site: Site, figures: Figures, campaign: Campaign, port: int, bare_port: int) -> None:
    """Verify, keep, answer: with Valkey, then without, each next to the reference in the same rounds."""
    for valkey in ("running", "stopped"):
        if valkey == "stopped":
            site.valkey.stop()
        note(f"accepting notices with Valkey {valkey}")
        waiting = [bulk.requests(campaign, ACCEPTED, port) for _ in range(ROUNDS)]
        plain = [_same_body(request, bare_port) for request in waiting[0]]
        _all(bare_port, [plain[:WARMING]])
        _all(port, [bulk.requests(campaign, WARMING, port)])
        bare, kept = side_by_side(
            ROUNDS, partial(_all, bare_port, [plain] * ROUNDS), partial(_all, port, waiting)
        )
        figures.say(f"notices accepted, Valkey {valkey}", kept, bare, "/s", against=INSERT, aim=0.6)
    site.valkey.start()


def _same_body(request: bytes, port: int) -> bytes:
    body = request.split(b"\r\n\r\n", 1)[1]
    return load.post("/insert", port, {"Content-Type": "application/json"}, body)


def _all(port: int, sets: list[list[bytes]]) -> float:
    """Send from the next set for a few seconds; return how many were taken per second, refusals none."""
    return _whole(load.run(port, sets.pop(), seconds=ACCEPT_SECONDS, wanted=204))


def draining(site: Site, figures: Figures, campaign: Campaign, behind: str) -> None:
    """From inbox to ledger with two processes, as many as ``make run`` has."""
    note(f"draining with {behind} behind the campaign")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    drains = [site.spawn("tests.bench.drain", **pipes) for _ in range(WORKERS)]

    def drained() -> float:
        bulk.in_the_inbox(campaign, DRAINED)
        begun = time.monotonic()
        many = _drain(drains)
        assert site.waiting() == 0, "notices were left behind"
        return many / (time.monotonic() - begun)

    _drain(drains)
    drained()
    reference, found = side_by_side(ROUNDS, lambda: pgbench(site.server), drained)
    for drain in drains:
        drain.communicate(timeout=10)
    figures.say(f"drain alone, {behind}", found, reference, "gifts/s", against=TPCB, aim=1.0)


def settling(site: Site, figures: Figures, campaign: Campaign, port: int) -> None:
    """From the first HTTP request to the last gift in the ledger: web, relay, Valkey and worker at work."""
    note("settling end to end")

    def settled() -> float:
        requests = bulk.requests(campaign, SETTLED, port)
        begun = time.monotonic()
        _whole(load.run(port, requests, wanted=204))
        while site.waiting():
            time.sleep(0.05)
        return SETTLED / (time.monotonic() - begun)

    with site.workers():
        settled()
        reference, found = side_by_side(ROUNDS, lambda: pgbench(site.server), settled)
    figures.say(
        "settled end to end, HTTP to ledger", found, reference, "gifts/s", against=TPCB, aim=0.5
    )


def _drain(drains: Sequence["subprocess.Popen[bytes]"]) -> int:
    """Let all drain at once and return how many notices they took."""
    for drain in drains:
        assert drain.stdin is not None
        drain.stdin.write(b"go\n")
        drain.stdin.flush()
    return sum(int(drain.stdout.readline()) for drain in drains if drain.stdout is not None)


def _whole(done: Load) -> float:
    assert done.good
    assert not done.others, f"{done.others} answers were refusals"
    return done.per_second
