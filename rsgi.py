"""What the production server serves: ``granian --interface rsgi --http 1 rsgi:app`` (docs/settings.md)."""

from fundraising.accounts import security
from fundraising.front.bridge import Front, Site
from wsgi import app as flask
from wsgi import door

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
