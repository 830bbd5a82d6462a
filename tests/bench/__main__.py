"""``make bench``: each figure as a ratio to a reference measured in the same rounds, medians of several.

References: pgbench TPC-B (scale 10, 8 clients, the same durable server) for settling; under the same web
server a bare Flask page for pages and a bare route with one INSERT for notices; bare Typst for receipts.
What else runs on the machine falls on both sides of a ratio. All goes to ``bench-results.json``.
"""

import tempfile
from pathlib import Path

from fundraising.database import db, transaction
from tests.bench import growth, pages, settling
from tests.bench.figures import Figures, note
from tests.bench.site import ROOT, Site
from tests.factories import Make


def main() -> None:
    """Measure everything once and write the file."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        try:
            with site.app.app_context():
                measure(site, figures)
                db.session.remove()
                db.engine.dispose()
        finally:
            site.stop()
            figures.write(ROOT / "bench-results.json")


def measure(site: Site, figures: Figures) -> None:
    """Measure in an order in which each finds what it needs: first a young campaign, then a large one."""
    port, bare_port = site.web(), site.web("tests.bench.bare:app")
    with transaction():
        campaign = Make(db.session()).campaign()
    settling.accepting(site, figures, campaign, port, bare_port)
    settling.draining(site, figures, campaign, "a young campaign")
    settling.settling(site, figures, campaign, port)
    pages.showing(site, figures, campaign, port, bare_port)
    pages.receipting(site, figures, campaign)
    large = growth.growing(site, figures)
    settling.draining(site, figures, large, "1,000,000 gifts")
    growth.checking(figures)
    note("written to bench-results.json")


if __name__ == "__main__":
    main()
