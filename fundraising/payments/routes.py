"""Where providers' notices come in: check, keep, answer. Nothing is booked here and no Redis is needed."""

import structlog
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import RequestEntityTooLarge

from fundraising import clock
from fundraising.access import public
from fundraising.audit import service as audit
from fundraising.database import transaction
from fundraising.extensions import csrf, limiter
from fundraising.payments import inbox
from fundraising.payments.providers.base import Envelope, Rejected, Undecryptable, Unparsable
from fundraising.payments.service import provider

bp = Blueprint("payments", __name__)
MAX_BODY = 64 * 1024
log = structlog.get_logger(__name__)


@bp.post("/payments/<any(wechatpay):name>/notify", strict_slashes=False)
@csrf.exempt
@limiter.exempt
@public
def notify(name: str) -> ResponseReturnValue:
    """Take a notice of payments and refunds from a provider.

    Answers 204 when it is kept; 401 to what is not authentic; 413 to what is too large; 5xx when it
    must come again (our keys do not open it, or the database is away).
    """
    adapter = provider(name)
    request.max_content_length = MAX_BODY
    try:
        raw = request.get_data(cache=False, parse_form_data=False)
    except RequestEntityTooLarge:
        return _refusal(413)
    headers = {key: value for key, value in request.headers.items() if len(value) <= 4096}
    if len(request.headers.getlist("Wechatpay-Signature")) > 1:
        return _refusal(401)
    try:
        envelope = adapter.authenticate(headers, raw, clock.now())
    except Rejected as forged:
        log.warning("notice_rejected", provider=name, reason=str(forged))
        return _refusal(401)
    except Undecryptable:
        return _not_opened(name)
    except Unparsable:
        return _refusal(400)
    return _keep(envelope)


def _keep(envelope: Envelope) -> ResponseReturnValue:
    try:
        with transaction():
            inbox.put(envelope)
    except (DBAPIError, PoolTimeout) as away:
        log.error("notice_not_kept", provider=envelope.provider, error=type(away).__name__)
        return _refusal(503)
    return Response(status=204)


def _not_opened(name: str) -> ResponseReturnValue:
    with transaction():
        audit.raise_alarm(f"payments:{name}:undecryptable", {"provider": name})
    return _refusal(500)


def _refusal(status: int) -> Response:
    response = Response('{"code":"FAIL","message":"refused"}', status, mimetype="application/json")
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
