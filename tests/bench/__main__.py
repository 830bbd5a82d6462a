"""``make bench``: each figure as a ratio to a reference measured in the same rounds, medians of several.

References: pgbench TPC-B (scale 10, 8 clients, the same durable server) for settling; under the same web
server a bare Flask page for pages and a bare route with one INSERT for notices; bare Typst for receipts.
What else runs on the machine falls on both sides of a ratio. All goes to ``bench-results.json``. Parts may
be named (``make bench only="accept settle"``); then the file keeps its other figures.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fundraising.database import db, transaction
from tests.bench import gift_files, growth, pages, settling
from tests.bench.figures import Figures, note
from tests.bench.site import ROOT, Site
from tests.factories import Make

RESULTS = ROOT / "bench-results.json"
PARTS = ("accept", "drain", "settle", "page", "receipts", "import", "million")


def main(asked: Sequence[str]) -> None:
    """Measure the parts asked for, or all, and write the file."""
    unknown = set(asked) - set(PARTS)
    if unknown:
        raise SystemExit(f"No such part: {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}.")
    figures = Figures(RESULTS if asked else None)
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        try:
            with site.app.app_context():
                measure(site, figures, set(asked or PARTS))
                db.session.remove()
                db.engine.dispose()
        finally:
            site.stop()
            figures.write(RESULTS)
    note(f"written to {RESULTS.name}")


def measure(site: Site, figures: Figures, parts: set[str]) -> None:
    """Measure in an order in which each finds what it needs: first a young campaign, then a large one."""
    port, bare_port = site.web(), site.bare()
    with transaction():
        campaign = Make(db.session()).campaign()
    if "accept" in parts:
        settling.accepting(site, figures, campaign, port, bare_port)
    if "drain" in parts:
        settling.draining(site, figures, campaign, "a young campaign")
    if "settle" in parts:
        settling.settling(site, figures, campaign, port)
    if "page" in parts:
        pages.showing(site, figures, campaign, port, bare_port)
    if "receipts" in parts:
        pages.receipting(site, figures, campaign)
    if "import" in parts:
        gift_files.importing(site.owner, figures)
    if "million" in parts:
        large = growth.growing(site, figures)
        settling.draining(site, figures, large, "1,000,000 gifts")
    growth.checking(figures)


if __name__ == "__main__":
    main(sys.argv[1:])
