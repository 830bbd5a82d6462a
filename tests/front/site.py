"""A site without a database behind the real front, for attacks on the server itself."""

import hashlib

from werkzeug.wrappers import Request, Response

from fundraising.front.bodies import Reader
from fundraising.front.bridge import Front, Site

PATIENCE = 1.0


@Request.application
def echo(request: Request) -> Response:
    """Say how long the body was and what is in it; send as much as is asked for."""
    body = request.get_data()
    size = request.args.get("send", 0, type=int)
    answer = f"{request.method} {len(body)} {hashlib.sha256(body).hexdigest()[:8]} "
    names = ",".join(sorted(n for n in request.environ if n.startswith("HTTP_")))
    return Response(answer + names + "x" * size)


app = Front(Site(echo, lambda cookies: "staff" in cookies, lambda _: None), threads=4)
app.reader = Reader(patience=PATIENCE)
