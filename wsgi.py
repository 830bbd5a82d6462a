"""The WSGI application that a production server serves: ``granian --interface wsgi wsgi:app``."""

import config
from fundraising import create_app, logs

logs.setup()
app = create_app(config.load())
