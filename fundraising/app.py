"""The Flask application: wires settings, extensions, providers and blueprints together. No logic."""

from importlib import import_module

from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.middleware.proxy_fix import ProxyFix

from config import Settings
from fundraising import http, i18n
from fundraising.accounts import nav, security
from fundraising.database import db, ping_idle
from fundraising.extensions import csrf, limiter
from fundraising.payments.providers import registry
from fundraising.receipts.fiscal import client as fiscal
from fundraising.web.cache import KeptPages
from fundraising.web.routes import is_alike

BLUEPRINTS = (
    "accounts.routes",
    "files.routes",
    "campaigns.routes",
    "payments.routes",
    "procurement.routes",
    "programmes.routes",
    "equipment.routes",
    "equipment.desk_routes",
    "giving.routes",
    "giving.mine_routes",
    "giving.desk_routes",
    "giving.counter.routes",
    "giving.matching.routes",
    "giving.mandates.routes",
    "giving.mandates.desk_routes",
    "giving.money_routes",
    "giving.placing_routes",
    "giving.import_routes",
    "giving.platform_routes",
    "receipts.routes",
    "receipts.desk_routes",
    "goods.routes",
    "receipts.fiscal.routes",
    "reports.routes",
    "reports.bank_routes",
    "api.routes",
    "api.checkout_routes",
    "api.ledger_routes",
    "web.routes",
    "web.health",
)
CHECKS = (
    "payments.checks",
    "funds.checks",
    "procurement.checks",
    "equipment.checks",
    "giving.checks",
    "giving.counter.checks",
    "giving.matching.checks",
    "giving.mandates.checks",
    "goods.checks",
)
MEGABYTE = 1024 * 1024


def create_app(settings: Settings) -> Flask:
    """Build the application from checked settings."""
    app = Flask("fundraising", template_folder="../templates", static_folder="../static")
    app.config.update(_flask_config(settings))
    app.extensions["settings"] = settings
    providers = registry.build(settings)
    app.extensions["providers"] = providers
    app.extensions["agreements"] = registry.agreements(settings, providers)
    app.extensions["fiscal"] = fiscal.build(settings)
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    db.init_app(app)
    with app.app_context():
        ping_idle(db.engine)
    http.setup(app, settings)  # first, so that it bounds what those after it read
    csrf.init_app(app)
    limiter.init_app(app)
    i18n.setup(app)
    security.setup(app)
    app.jinja_env.globals.update(staff_menu=nav.menu, staff_section=nav.section)
    for name in BLUEPRINTS:
        app.register_blueprint(import_module(f"fundraising.{name}").bp)
    # last: what a macro calls is looked up once, when the macros are made
    app.jinja_env.globals["ui"] = app.jinja_env.get_template("macros/ui.html").module
    if settings.page_cache_seconds:
        kept = KeptPages(app.wsgi_app, is_alike, settings.page_cache_seconds)
        app.extensions["kept_pages"], app.wsgi_app = kept, kept  # type: ignore[method-assign, assignment]
    for name in CHECKS:
        import_module(f"fundraising.{name}")
    return app


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": settings.secret_key,
        "SECRET_KEY_FALLBACKS": [k for k in settings.secret_key_fallbacks.split(",") if k],
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_size": 8,
            "pool_timeout": 5,
            "hide_parameters": True,  # values are people's names and addresses; errors go to the log
        },
        "TRUSTED_HOSTS": settings.hosts,
        "MAX_CONTENT_LENGTH": 32 * MEGABYTE,
        "MAX_FORM_MEMORY_SIZE": MEGABYTE // 2,
        "MAX_FORM_PARTS": 200,
        "SESSION_COOKIE_NAME": "__Host-session" if settings.is_production else "session",
        "SESSION_COOKIE_SECURE": settings.is_production,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "WTF_CSRF_TIME_LIMIT": 6 * 3600,
        "WTF_CSRF_SSL_STRICT": False,  # http.refuse_foreign asks for the origin; many browsers hide the referrer
        "RATELIMIT_ENABLED": settings.ratelimit_enabled,
        "RATELIMIT_STORAGE_URI": settings.redis_url or "memory://",
        "RATELIMIT_STORAGE_OPTIONS": redis_options() if settings.redis_url else {},
        "RATELIMIT_HEADERS_ENABLED": True,
        "DEBUG": settings.debug,
        "BABEL_TRANSLATION_DIRECTORIES": "../translations",
    }


def redis_options() -> dict[str, object]:
    """A Redis that is frozen may hold up a request for a moment, and only the one that finds out."""
    return {
        "socket_timeout": 0.25,
        "socket_connect_timeout": 0.25,
        "retry": Retry(NoBackoff(), 0),
    }
