"""What every answer shares: security headers, language and large-text cookies, hashed asset addresses, errors."""

import hashlib
import json
import secrets
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from flask import Flask, Response, current_app, g, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    InternalServerError,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from config import Settings
from fundraising.errors import DomainError
from fundraising.extensions import csrf
from fundraising.i18n import LANGUAGE_COOKIE, LANGUAGES, language
from fundraising.i18n import lazy_gettext as _l

STATIC = Path(__file__).resolve().parent.parent / "static"
ELDER_COOKIE = "elder"
YEAR = 365 * 24 * 3600
REMEMBERED = frozenset({"lang", "elder"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = frozenset({"same-origin", "none"})
BACKSLASH = "\\"  # which browsers read as a slash
PUBLIC_BYTES = 256 * 1024
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self' {form}; base-uri 'none'; "
    "frame-ancestors 'none'; object-src 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(self), payment=()",
}
MESSAGES = {
    400: _l("The request could not be understood."),
    403: _l("You may not open this page."),
    404: _l("We could not find that page."),
    405: _l("This address does not accept that."),
    409: _l("Something has changed in the meantime."),
    413: _l("What you sent is too large."),
    422: _l("Please check what you entered."),
    429: _l("Too many attempts. Please wait a moment and try again."),
    500: _l("Something went wrong on our side. Nothing you gave is lost."),
    503: _l(
        "The service is busy. Please load this page again in a moment; nothing that you paid is lost."
    ),
}
log = structlog.get_logger(__name__)


@lru_cache(maxsize=512)
def _fingerprint(path: Path, _changed_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def asset_url(name: str) -> str:
    """Return the address of a static file with its content hash, so that it may be cached for a year."""
    path = STATIC / name
    try:
        return f"/static/{name}?v={_fingerprint(path, path.stat().st_mtime_ns)}"
    except OSError:
        return f"/static/{name}"


def setup(app: Flask, settings: Settings) -> None:
    """Install headers, cookies, error handlers and template globals."""
    origins = sorted(
        {
            f"{p.scheme}://{p.netloc}"
            for p in map(urlsplit, (settings.wechatpay_simulator_url,))
            if p.netloc
        }
    )
    policy = CSP.format(form=" ".join(["https://wx.tenpay.com", *origins]))
    app.before_request(_begin)
    app.after_request(lambda response: _finish(response, policy, is_secure=settings.is_production))
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(DataError, _no_value)
    for away in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(away, _database_away)
    app.register_error_handler(Exception, _unexpected)
    app.jinja_env.globals.update(
        asset_url=asset_url,
        is_elder=is_elder,
        here=here,
        organisation=lambda: _organisation(settings),
    )


def is_elder() -> bool:
    """Whether this visitor asked for the large-text mode (适老化)."""
    asked = request.args.get("elder") or request.cookies.get(ELDER_COOKIE)
    return asked == "1"


def here(**changed: str) -> str:
    """Return this page's address with some arguments changed."""
    kept = {n: v for n, v in request.args.items() if len(v) < 200 and n not in REMEMBERED}
    arguments = kept | changed
    return f"/{request.path.lstrip('/' + BACKSLASH)}?{urlencode(arguments)}"


def _organisation(settings: Settings) -> str:
    return settings.organisation_name if language() == "zh" else settings.organisation_name_en


def wants_json() -> bool:
    """Whether the answer should be JSON: everything under ``/api/``."""
    return request.path.startswith("/api/")


def _begin() -> None:
    g.request_id = secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id, endpoint=request.endpoint)
    if "\0" in request.path or any("\0" in v for _, v in request.args.items(multi=True)):
        raise BadRequest
    if not (request.path.startswith("/staff") and "_user_id" in session):
        request.max_content_length = PUBLIC_BYTES  # only staff send files
    refuse_foreign()


def refuse_foreign() -> None:
    """Refuse a form that another site made this browser send. Raises Forbidden, or UnsupportedMediaType.

    Old browsers say neither; the token in the form stands against foreign forms there. No form comes as
    JSON, which libraries would read as one, of whatever depth.
    """
    if request.method in READING or _is_open_to_all():
        return
    if request.is_json and not request.routing_exception:
        raise UnsupportedMediaType
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    settings: Settings = current_app.extensions["settings"]
    own = (request.host, urlsplit(settings.public_url).netloc)
    is_foreign = origin is not None and urlsplit(origin).netloc not in own
    if is_foreign or (site is not None and site not in OWN_SITES):
        log.warning("foreign_form_refused")
        raise Forbidden


def _is_open_to_all() -> bool:
    """Whether the address carries no cookie's rights: providers' notices and the JSON of orders."""
    view = current_app.view_functions.get(request.endpoint or "")
    return view is not None and f"{view.__module__}.{view.__name__}" in csrf._exempt_views


def _finish(response: Response, policy: str, *, is_secure: bool) -> Response:
    response.headers.setdefault("Content-Security-Policy", policy)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if is_secure:
        response.headers.setdefault(
            "Strict-Transport-Security", f"max-age={YEAR}; includeSubDomains"
        )
    if request.path.startswith("/static/") and "v" in request.args:
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    _remember(response, LANGUAGE_COOKIE, "lang", LANGUAGES, is_secure=is_secure)
    _remember(response, ELDER_COOKIE, "elder", ("0", "1"), is_secure=is_secure)
    return response


def _remember(
    response: Response, cookie: str, argument: str, allowed: tuple[str, ...], *, is_secure: bool
) -> None:
    asked = request.args.get(argument)
    if asked in allowed and request.cookies.get(cookie) != asked:
        response.set_cookie(
            cookie, asked, max_age=YEAR, samesite="Lax", httponly=True, secure=is_secure
        )


def problem(
    status: int, code: str, title: str, extra: dict[str, Any] | None = None
) -> ResponseReturnValue:
    """Return an RFC 9457 problem document."""
    body = {"type": "about:blank", "status": status, "code": code, "title": title, **(extra or {})}
    return Response(
        json.dumps(body, ensure_ascii=False), status, mimetype="application/problem+json"
    )


def _render(
    status: int, code: str, message: str, extra: dict[str, Any] | None = None
) -> ResponseReturnValue:
    if wants_json():
        return problem(status, code, message, extra)
    page = render_template(
        "errors/error.html",
        status=status,
        message=message,
        extra=extra or {},
        back=_back(),
        is_colleague=request.path.startswith("/staff") and "_user_id" in session,
    )
    return page, status


def _back() -> str:
    """Return the page of the desk from which a refused form came, empty when there is none."""
    came = urlsplit(request.referrer or "")
    # the header itself: for a host that is not ours ``request.host`` raises, and this is its error page
    is_own = came.netloc == request.headers.get("Host") and came.path.startswith("/staff")
    if not (is_own and request.path.startswith("/staff") and "_user_id" in session):
        return ""
    return f"{came.path}?{came.query}" if came.query else came.path


def _domain_error(error: DomainError) -> ResponseReturnValue:
    return _render(int(error.status), error.code, str(error.message), error.extra)


def _csrf_error(_error: CSRFError) -> ResponseReturnValue:
    if _is_own_desk():
        return _once_more()
    text = _l("This form was open for too long. Please go back, reload the page and send it again.")
    return _render(400, "csrf", str(text))


def _is_own_desk() -> bool:
    """Whether the browser itself says that this form of staff came from a page of ours."""
    is_form = request.path.startswith("/staff/") and request.blueprint != "security"
    return is_form and request.headers.get("Sec-Fetch-Site") == "same-origin"


def _once_more() -> ResponseReturnValue:
    """Keep what a colleague typed while their session or its key ended: one button sends it again."""
    kept = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    page = render_template(
        "errors/once_more.html",
        kept=kept,
        files=sorted(request.files),
        target=here(),
        is_signed_in="_user_id" in session,
    )
    return page, HTTPStatus.BAD_REQUEST


def _no_value(error: DataError) -> ResponseReturnValue:
    """Answer to text or a number that no column of the database can hold."""
    log.warning("value_refused", error=type(error.orig).__name__)
    return _http_error(BadRequest())


def _database_away(error: Exception) -> ResponseReturnValue:
    """Answer while the database is away or too busy; nothing that was being written is half there."""
    log.error("database_away", error=type(error).__name__)
    return _http_error(ServiceUnavailable(retry_after=5))


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if error.response is not None or status < HTTPStatus.BAD_REQUEST:
        return error
    message = MESSAGES.get(status, MESSAGES[400])
    is_file_of_staff = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and request.path.startswith(
        "/staff"
    )
    if is_file_of_staff and "_user_id" not in session:
        message = _l("You were signed out in the meantime. Sign in and send the file again.")
    answer = _render(status, error.name.lower().replace(" ", "_"), str(message))
    kept = ("Allow", "Retry-After")
    headers = {name: value for name, value in error.get_headers() if name in kept}
    return (*answer, headers) if isinstance(answer, tuple) else answer


def _unexpected(error: Exception) -> ResponseReturnValue:
    log.error("unexpected_error", error=type(error).__name__, exc_info=error)
    return _http_error(InternalServerError())


def number(name: str) -> int | None:
    """Return a whole number of the address, None where it is none or larger than any row's."""
    asked = request.args.get(name, type=int)
    return asked if asked is not None and 0 <= asked < 2**31 else None
