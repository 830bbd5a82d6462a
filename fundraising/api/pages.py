"""What the API's lists share: their bounds, signed cursors, times, and the error of a bad request."""

from datetime import datetime

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

from fundraising import clock
from fundraising.errors import Invalid
from fundraising.i18n import lazy_gettext as _l

LIMIT, MOST = 50, 100


class BadInput(Invalid):
    """The request's JSON is not what the document says; ``fields`` names what is wrong."""

    code = "bad_input"
    message = _l("The request is not as described in /api/v1/openapi.json.")


def time(at: datetime) -> str:
    """Return an instant with its offset, in Shanghai's time."""
    return at.astimezone(clock.SHANGHAI).isoformat(timespec="seconds")


def limit() -> int:
    """Return how many items are asked for, within bounds."""
    asked = request.args.get("limit", type=int)
    return min(max(asked or LIMIT, 1), MOST)


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="cursor")


def cursor(values: list[str]) -> str:
    """Return a signed cursor after these values, good for this endpoint only."""
    signed = _signer().dumps([request.endpoint, *values])
    return str(signed)


def read_cursor() -> list[str]:
    """Return the values of the cursor asked for, none without one. Raises BadInput when it is not ours."""
    asked = request.args.get("cursor")
    if not asked:
        return []
    try:
        endpoint, *values = _signer().loads(asked)
    except (BadSignature, ValueError, TypeError):
        raise BadInput(fields=["cursor"]) from None
    if endpoint != request.endpoint:
        raise BadInput(fields=["cursor"])
    return [str(value) for value in values]
