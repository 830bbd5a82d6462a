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
from fundraising.database import one_statement, transaction
from fundraising.extensions import csrf, limiter
from fundraising.payments import inbox
from fundraising.payments.providers.agreements import AgreementProvider
from fundraising.payments.providers.base import (
    Envelope,
    Provider,
    Rejected,
    Stale,
    Undecryptable,
    Unparsable,
)
from fundraising.payments.service import agreement_provider, provider

bp = Blueprint("payments", __name__)
Taker = Provider | AgreementProvider
log = structlog.get_logger(__name__)


@bp.post("/payments/<any(wechatpay, alipay):name>/notify", strict_slashes=False)
@csrf.exempt
@limiter.exempt
@public
def notify(name: str) -> ResponseReturnValue:
    """Take a notice of payments and refunds from a provider.

    Answers in the provider's words that it is kept; 401 to what is not authentic; 413 to what is too
    large; 5xx when it must come again (our keys do not open it, or the database is away).
    """
    return _take(name)


@bp.post("/payments/stripe/webhook", strict_slashes=False)
@csrf.exempt
@limiter.exempt
@public
def webhook() -> ResponseReturnValue:
    """Take an event from Stripe, with the same answers."""
    return _take("stripe")


@bp.post("/payments/wechatpay/contract", strict_slashes=False)
@csrf.exempt
@limiter.exempt
@public
def contract() -> ResponseReturnValue:
    """Take a notice of an agreement or its charge (委托代扣, in XML), with the same answers."""
    return _take_by(agreement_provider("wechatpay"))


def _take(name: str) -> ResponseReturnValue:
    return _take_by(provider(name))


def _take_by(adapter: Taker) -> ResponseReturnValue:
    request.max_content_length = adapter.largest_notice
    try:
        raw = request.get_data(cache=False, parse_form_data=False)
    except RequestEntityTooLarge:
        return _reply(adapter, 413)
    names = [name.lower() for name, _ in request.headers if name.lower().endswith("-signature")]
    if len(names) > len(set(names)):
        return _reply(adapter, 401)
    headers = {key: value for key, value in request.headers.items() if len(value) <= 4096}
    try:
        envelope = adapter.authenticate(headers, raw, clock.now())
    except Stale:
        return _stale(adapter)
    except Rejected as forged:
        log.warning("notice_rejected", provider=adapter.name, reason=str(forged))
        return _reply(adapter, 401)
    except Undecryptable:
        return _not_opened(adapter)
    except Unparsable:
        return _reply(adapter, 400)
    return _keep(adapter, envelope)


def _keep(adapter: Taker, envelope: Envelope) -> ResponseReturnValue:
    try:
        if envelope.contract:
            with transaction():
                inbox.put(envelope)
                inbox.wonder(envelope)
        else:
            with one_statement():
                inbox.put(envelope)
    except (DBAPIError, PoolTimeout) as away:
        log.error("notice_not_kept", provider=envelope.provider, error=type(away).__name__)
        return _reply(adapter, 503)
    return _reply(adapter, 204)


def _stale(adapter: Taker) -> ResponseReturnValue:
    """Refuse what is genuine but of another time; only the provider's key can make this alarm ring."""
    with transaction():
        audit.raise_alarm(f"payments:{adapter.name}:clock", {"provider": adapter.name})
    return _reply(adapter, 401)


def _not_opened(adapter: Taker) -> ResponseReturnValue:
    with transaction():
        audit.raise_alarm(f"payments:{adapter.name}:undecryptable", {"provider": adapter.name})
    return _reply(adapter, 500)


def _reply(adapter: Taker, status: int) -> Response:
    said = adapter.reply(status)
    response = Response(said.body, said.status, mimetype=said.mimetype)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
