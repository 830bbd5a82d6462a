"""Pages and papers per second: the campaign page while gifts settle, receipts against bare Typst."""

import time

from sqlalchemy import text

from fundraising import typesetting
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.receipts import papers
from fundraising.receipts import service as receipts
from fundraising.receipts.template import LAYOUTS
from tests.bench import bulk, load
from tests.bench.figures import Figures, note, side_by_side
from tests.bench.load import Job
from tests.bench.site import Site

ROUNDS = 3
SECONDS = 2.5
SETTLING = 4000
PAUSE = 0.02
STREAM_SECONDS = 2 * ROUNDS * SECONDS + 6
RECEIPTS = 40


def showing(site: Site, figures: Figures, campaign: Campaign, port: int, bare_port: int) -> None:
    """The campaign page, status 200 with its body, while about fifty gifts a second come in and settle."""
    note("campaign page while gifts settle")
    gifts = bulk.requests(campaign, SETTLING, port)

    def asked(path: str, to: int) -> float:
        done = load.run(to, [load.get(path, to)], seconds=SECONDS, repeat=True)
        assert not done.others
        return done.per_second

    with site.workers():
        stream = load.start(Job(port, gifts, 1, STREAM_SECONDS, 204, repeat=False, pause=PAUSE))
        bare, full = side_by_side(
            ROUNDS, lambda: asked("/", bare_port), lambda: asked(f"/c/{campaign.slug}", port)
        )
        assert stream.poll() is None, "the stream of gifts ended before the pages were measured"
        assert not load.end(stream).others
    figures.say(
        "campaign page while gifts settle", full, bare, "/s",
        against="a bare Flask page under the same server", aim=0.6,
    )  # fmt: skip


def receipting(site: Site, figures: Figures, campaign: Campaign) -> None:
    """Receipts with number, frozen facts, kept file and lines, next to setting the same pages alone."""
    note("issuing receipts")
    with site.owner() as owner:
        bulk.paid_gifts(owner, campaign, RECEIPTS * (ROUNDS + 1))
    query = text(
        "SELECT id FROM giving_gift WHERE campaign_id = :c AND paid_at IS NOT NULL LIMIT :n"
    )
    values = {"c": campaign.id, "n": RECEIPTS * (ROUNDS + 1)}
    ids = list(db.session.execute(query, values).scalars())
    issued: list[dict[str, object]] = []

    def issue() -> float:
        taken, ids[:] = ids[:RECEIPTS], ids[RECEIPTS:]
        begun = time.monotonic()
        for gift_id in taken:
            with transaction():
                receipt = receipts.issue(gift_id)
        issued.append({"layout": LAYOUTS[receipt.layout], "page": papers.page(receipt)})
        return RECEIPTS / (time.monotonic() - begun)

    def set_alone() -> float:
        layout, page = str(issued[-1]["layout"]), issued[-1]["page"]
        assert isinstance(page, dict)
        begun = time.monotonic()
        for number in range(RECEIPTS):
            typesetting.pdf(layout, {**page, "number": str(number)})
        return RECEIPTS / (time.monotonic() - begun)

    with site.app.test_request_context("/"):
        issue()
        full, bare = side_by_side(ROUNDS, issue, set_alone)
    db.session.remove()
    figures.say("receipts issued", full, bare, "/s", against="the same pages set by bare Typst")
