"""Speaking to Stripe through its library, with our own connection and our own words for its errors."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import stripe

from fundraising.payments.providers.base import ProviderRejected, ProviderUnavailable

DEFINITE = (400, 402, 404)
LATER = ("balance_insufficient", "insufficient_funds", "lock_timeout")
"""Refusals that may end by themselves: the same request is sent again later."""

MAX_ANSWER = 8 * 1024 * 1024


class Transport(stripe.HTTPClient):
    """The library's requests over a connection that takes no proxy from the environment."""

    name = "httpx"

    def __init__(self, http: httpx.Client) -> None:
        super().__init__()
        self.http = http

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send a request and return body, status and headers. Raises stripe.APIConnectionError."""
        try:
            answer = self.http.request(method, url, headers=dict(headers or {}), content=post_data)
        except httpx.HTTPError as broken:
            raise stripe.APIConnectionError(type(broken).__name__) from broken
        if len(answer.content) > MAX_ANSWER:
            raise stripe.APIConnectionError("an answer that is too long")
        return answer.text, answer.status_code, answer.headers

    def close(self) -> None:
        """End the connections."""
        self.http.close()


class Wire:
    """Stripe's interface as objects of JSON."""

    def __init__(self, secret_key: str, base_url: str, http: httpx.Client) -> None:
        stripe.enable_telemetry = False
        self.client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": base_url},
            http_client=Transport(http),
            max_network_retries=0,
        )

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Ask for something. Raises ProviderUnavailable or ProviderRejected."""
        return self._call("get", path, params)

    def post(self, path: str, key: str, **params: Any) -> dict[str, Any]:
        """Make something once, however often it is sent under its key. Raises like ``get``."""
        return self._call("post", path, {**params, "idempotency_key": key})

    def _call(self, method: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self.client.raw_request(method, path, **params)
            found = json.loads(answer.body)
        except (stripe.APIError, stripe.APIConnectionError, ValueError) as unknown:
            raise ProviderUnavailable(type(unknown).__name__) from unknown
        except stripe.StripeError as failed:
            code = str(failed.code or type(failed).__name__)
            if failed.http_status not in DEFINITE or code in LATER:
                raise ProviderUnavailable(f"{failed.http_status} {code}") from failed
            raise ProviderRejected(code, str(failed.user_message or "")) from failed
        if not isinstance(found, dict):
            raise ProviderUnavailable("an answer that is no object")
        return found


def members(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a page of a list. Raises ProviderUnavailable."""
    data = page.get("data")
    if not isinstance(data, list) or any(not isinstance(found, dict) for found in data):
        raise ProviderUnavailable("an answer that is no list")
    return data
