"""The WSGI application that a production server serves: ``granian --interface wsgi wsgi:app``."""

import config
from fundraising import create_app, logs
from fundraising.payments.door import NoticeDoor

logs.setup()
app = create_app(config.load())
app.wsgi_app = NoticeDoor(app)  # type: ignore[method-assign, assignment]
