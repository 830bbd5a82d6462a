"""What grows with the number of gifts, and what must not: pages, traces, statements, the check of the books."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from sqlalchemy import event, text

from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.funds import queries as funds
from fundraising.funds import service as fund_service
from fundraising.giving import day_totals
from fundraising.ledger import checks
from fundraising.ledger import service as ledger
from fundraising.money import Money
from tests.bench import bulk
from tests.bench.figures import Figures, note, side_by_side
from tests.bench.site import Site
from tests.factories import Make

SMALL, LARGE = 1_000, 1_000_000
UNITS = 100
TIMES = 25


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
        day_totals.fold()
    note(f"loaded {count:,} gifts in {time.monotonic() - begun:.0f} s")
    return campaign, gift


def growing(site: Site, figures: Figures) -> Campaign:
    """Measure pages behind a thousand and a million gifts in turn; return the large campaign."""
    small, large = (_views(site, *grown(site, count)) for count in (SMALL, LARGE))
    note("pages behind 1,000 and 1,000,000 gifts")
    thousand = "the same behind 1,000 gifts"
    for name, view in large.views.items():
        with site.app.test_request_context("/"):
            few, many = side_by_side(
                TIMES, partial(_milliseconds, small.views[name]), partial(_milliseconds, view)
            )
            cold_few, cold_many = _statements(small.views[name]), _statements(view)
        figures.say(f"{name} behind 1,000,000 gifts", many, few, "ms", against=thousand)
        figures.say(f"{name}: SQL statements, cold", cold_many, cold_few, "", against=thousand)
        assert cold_many == cold_few, "the number of statements grows with the gifts"
    return large.campaign


def checking(figures: Figures) -> None:
    """Prove the books after all that was measured; what the load wrote must hold like all the rest."""
    note("checking the books")
    reference = _milliseconds(
        lambda: db.session.execute(text("SELECT sum(amount_minor) FROM ledger_posting"))
    )
    taken = _milliseconds(lambda: _no_findings(checks.run_all()))
    postings = db.session.execute(text("SELECT count(*) FROM ledger_posting")).scalar_one()
    db.session.remove()
    figures.say(
        f"books check, {postings:.0e} postings", taken, reference, "ms", against="one sum over them"
    )


def _no_findings(findings: list[checks.Finding]) -> None:
    assert not findings, findings[:5]


def _spend(campaign: Campaign) -> None:
    free = funds.totals(campaign.fund_id).unspent_fen // 2
    line = Make(db.session()).line(campaign.fund_id, free)
    for _ in range(UNITS):
        fund_service.draw(line.id, Money(free // UNITS), unit_id=uuid4())


@dataclass(frozen=True)
class Views:
    """A campaign and what is looked at, by name."""

    campaign: Campaign
    views: dict[str, Callable[[], object]]


def _views(site: Site, campaign: Campaign, gift: UUID) -> Views:
    client = site.app.test_client()
    query = text("SELECT token FROM giving_gift WHERE id = :id")
    token = db.session.execute(query, {"id": gift}).scalar_one()
    db.session.remove()
    views: dict[str, Callable[[], object]] = {
        "campaign page": partial(_get, client, f"/c/{campaign.slug}"),
        "my-gift page": partial(_get, client, f"/t/{token}"),
        "trace of a gift": partial(funds.trace, gift),
    }
    return Views(campaign, views)


def _get(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "127.0.0.1"})
    assert answer.status_code == 200, answer.status
    assert len(answer.data) > 1000


def _milliseconds(action: Callable[[], object]) -> float:
    """Return the time of an action in a fresh session, of which nothing is left."""
    db.session.remove()
    begun = time.perf_counter()
    action()
    taken = time.perf_counter() - begun
    db.session.remove()
    return taken * 1000


def _statements(action: Callable[[], object]) -> int:
    """Return how many statements an action sends when nothing is kept from before."""
    seen: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    db.session.remove()
    event.listen(db.engine, "before_cursor_execute", keep)
    action()
    event.remove(db.engine, "before_cursor_execute", keep)
    db.session.remove()
    return len(seen)
