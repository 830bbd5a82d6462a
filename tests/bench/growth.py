"""What grows with the number of gifts, and what must not: pages, traces, statements, the check of the books."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from sqlalchemy import event, text

from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.funds import queries as funds
from fundraising.funds import service as fund_service
from fundraising.giving import settlement
from fundraising.ledger import checks
from fundraising.ledger import service as ledger
from fundraising.money import Money
from tests.bench import bulk
from tests.bench.figures import Figures, note
from tests.bench.site import Site
from tests.factories import Make

SMALL, LARGE = 1_000, 1_000_000
UNITS = 100
TIMES = 25
PAGES = {"campaign page": "/c/{slug}", "my-gift page": "/t/{token}"}


def grown(site: Site, count: int) -> tuple[Campaign, UUID]:
    """Return a campaign with so many gifts of which half is spent on a hundred devices, and its last gift."""
    begun = time.monotonic()
    with transaction():
        campaign = Make(db.session()).campaign()
    with site.owner() as owner:
        gift = bulk.paid_gifts(owner, campaign, count)
        owner.execute("SET statement_timeout = 0")
        owner.execute("ANALYZE")
    with transaction():
        _spend(campaign)
    with transaction():
        ledger.fold_totals()
        settlement.fold_days()
    note(f"loaded {count:,} gifts in {time.monotonic() - begun:.0f} s")
    return campaign, gift


def growing(site: Site, figures: Figures) -> Campaign:
    """Measure pages behind a thousand and a million gifts; return the large campaign."""
    found: dict[int, dict[str, tuple[float, int]]] = {}
    traces: dict[int, float] = {}
    for count in (SMALL, LARGE):
        campaign, gift = grown(site, count)
        found[count] = _pages(site, campaign, gift)
        with site.app.test_request_context("/"):
            traces[count] = _milliseconds(partial(funds.trace, gift))
    thousand = "the same behind 1,000 gifts"
    for name in PAGES:
        (small, cold_small), (large, cold_large) = found[SMALL][name], found[LARGE][name]
        figures.say(f"{name} behind 1,000,000 gifts", large, small, "ms", against=thousand)
        figures.say(
            f"SQL statements of the {name}, cold", cold_large, cold_small, "", against=thousand
        )
        assert cold_large == cold_small, "the number of statements grows with the gifts"
    figures.say(
        "trace of a gift among 1,000,000", traces[LARGE], traces[SMALL], "ms", against=thousand
    )
    return campaign


def checking(figures: Figures) -> None:
    """Prove the books after all that was measured; what the load wrote must hold like all the rest."""
    note("checking the books")
    db.session.remove()
    with transaction():
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
        reference = _seconds(
            lambda: db.session.execute(text("SELECT sum(amount_minor) FROM ledger_posting"))
        )
        taken = _seconds(lambda: _no_findings(checks.run_all()))
    figures.say("books check over all", taken, reference, "s", against="one sum over all postings")


def _no_findings(findings: list[checks.Finding]) -> None:
    assert not findings, findings[:5]


def _spend(campaign: Campaign) -> None:
    free = funds.totals(campaign.fund_id).unspent_fen // 2
    line = Make(db.session()).line(campaign.fund_id, free)
    for _ in range(UNITS):
        fund_service.draw(line.id, Money(free // UNITS), unit_id=uuid4())


def _pages(site: Site, campaign: Campaign, gift: UUID) -> dict[str, tuple[float, int]]:
    client = site.app.test_client()
    token = db.session.execute(
        text("SELECT token FROM giving_gift WHERE id = :id"), {"id": gift}
    ).scalar_one()
    db.session.remove()
    measured = {}
    for name, path in PAGES.items():
        get = partial(_get, client, path.format(slug=campaign.slug, token=token))
        get()
        measured[name] = (_milliseconds(get), _statements(get))
    return measured


def _get(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "127.0.0.1"})
    assert answer.status_code == 200, answer.status
    assert len(answer.data) > 1000


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _milliseconds(action: Callable[[], object]) -> float:
    """Return the median time of an action, each in a fresh session."""
    times = []
    for _ in range(TIMES):
        db.session.remove()
        times.append(_seconds(action) * 1000)
    return statistics.median(times)


def _statements(action: Callable[[], object]) -> int:
    """Return how many statements an action sends when nothing is kept from before."""
    seen: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    db.session.remove()
    event.listen(db.engine, "before_cursor_execute", keep)
    action()
    event.remove(db.engine, "before_cursor_execute", keep)
    return len(seen)
