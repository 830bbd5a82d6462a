"""Extensions of Flask that several slices use; ``create_app`` binds them to the application."""

from typing import Any

from flask import Flask, request
from flask_limiter import Limiter, RateLimitExceeded
from flask_wtf.csrf import CSRFProtect
from limits.strategies import FixedWindowRateLimiter

from fundraising import addresses

ALONE_COST = 3


class AloneLimits(FixedWindowRateLimiter):
    """Counts in this process alone, one request as three.

    Several processes that cannot see each other's counts then let through less together, not more.
    """

    def hit(self, item: Any, *identifiers: str, cost: int = 1) -> bool:
        """Count one request; every limit lets at least one through."""
        return super().hit(item, *identifiers, cost=min(cost * ALONE_COST, item.amount))


class SafeLimiter(Limiter):
    """Limits that become stricter, never absent, while Redis is away."""

    def init_app(self, app: Flask) -> None:
        """Bind to the application, with the stricter count for when each process is alone."""
        self._storage_dead = False
        super().init_app(app)
        is_counting = app.config.get("RATELIMIT_ENABLED", True)
        if is_counting and app.config["RATELIMIT_STORAGE_URI"] != "memory://":
            self._fallback_limiter = AloneLimits(self._fallback_storage)

    def _check_request_limit(
        self,
        callable_name: str | None = None,
        in_middleware: bool = True,  # noqa: FBT001, FBT002  the library's own
    ) -> None:
        """Count a request; who is asking while another finds Redis dead is counted in memory, too."""
        try:
            super()._check_request_limit(callable_name, in_middleware)
        except RateLimitExceeded:
            raise
        except Exception:
            if not self._storage_dead:
                raise
            self.context.seen_limits.clear()
            super()._check_request_limit(callable_name, in_middleware)


def visitor() -> str:
    """Name a visitor for limits by the address; who has a house of IPv6 has one limit, not 2**64."""
    return addresses.network(request.remote_addr or "")


csrf = CSRFProtect()
limiter = SafeLimiter(
    visitor,
    # Without Redis each process counts the same limits in its own memory: limits never vanish, and what
    # has none (pages, providers' notices) gets none. A list of fallback limits would apply to every route.
    in_memory_fallback_enabled=True,
    key_prefix="fundraising",
)
