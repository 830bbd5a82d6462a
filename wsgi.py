"""The site as a WSGI application; ``rsgi.py`` puts the front before it that takes slow senders away."""

import config
from fundraising import logs
from fundraising.app import create_app
from fundraising.payments.door import NoticeDoor

logs.setup()
app = create_app(config.load())
door = NoticeDoor(app)
app.wsgi_app = door  # type: ignore[method-assign, assignment]
