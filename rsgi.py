"""What the production server serves (``fundraising/front/server.py``)."""

import gc
import sys

gc.disable()  # until everything is loaded: a third of what a start takes

from fundraising.accounts import security  # noqa: E402  the collector rests first
from fundraising.front.bridge import Front, Site  # noqa: E402
from wsgi import app as flask  # noqa: E402
from wsgi import door  # noqa: E402

sys.setswitchinterval(0.0002)  # the loop's thread only hands on; five milliseconds are long to wait
settings = flask.extensions["settings"]
kept = flask.extensions.get("kept_pages")
app = Front(
    Site(
        flask,
        security.session_reader(flask),
        kept.peek if kept else lambda _: None,
        settings.proxy_hops,
        door,
    ),
    threads=settings.web_threads,
)

gc.freeze()  # what is loaded stays, and is never looked at again
gc.enable()
