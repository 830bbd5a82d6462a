"""A department's system that speaks JSON over HTTP, both sides signing with a shared key.

No national interface is published; this is the plain form that its simulator speaks too. A department
with another one gets another adapter beside this file.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import httpx

from config import Settings
from fundraising import clock, outbound
from fundraising.receipts.fiscal.department import (
    Answer,
    BillRequest,
    Department,
    DepartmentUnavailable,
    Outcome,
    RedRequest,
)

TIME = httpx.Timeout(8.0, connect=2.0)


def build(settings: Settings) -> Department | None:
    """Return the department of these settings, None when there is none."""
    if not settings.fiscal_base_url:
        return None
    return HttpDepartment(
        settings.fiscal_base_url.rstrip("/"),
        settings.fiscal_unit_code,
        settings.fiscal_key.encode(),
        outbound.client(TIME),
    )


def signature(key: bytes, *parts: str) -> str:
    """Return the signature over parts that are told apart."""
    return hmac.new(key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class HttpDepartment:
    """The client's side."""

    base_url: str
    unit_code: str
    key: bytes
    http: httpx.Client

    def issue(self, asked: BillRequest) -> Answer:
        """Ask for a bill. Raises DepartmentUnavailable."""
        return self._post("/api/issue", {**asdict(asked), "paid_on": asked.paid_on.isoformat()})

    def red(self, asked: RedRequest) -> Answer:
        """Ask for a red bill. Raises DepartmentUnavailable."""
        return self._post("/api/red", asdict(asked))

    def find(self, request_no: str) -> Answer:
        """Say what became of a request. Raises DepartmentUnavailable."""
        return self._post("/api/find", {"request_no": request_no})

    def _post(self, path: str, body: dict[str, Any]) -> Answer:
        raw = json.dumps(body, ensure_ascii=False)
        at, nonce = str(int(clock.now().timestamp())), secrets.token_hex(8)
        headers = {
            "Content-Type": "application/json",
            "X-Unit": self.unit_code,
            "X-Time": at,
            "X-Nonce": nonce,
            "X-Signature": signature(self.key, self.unit_code, path, at, nonce, raw),
        }
        try:
            response = self.http.post(self.base_url + path, content=raw.encode(), headers=headers)
        except httpx.HTTPError as away:
            raise DepartmentUnavailable(type(away).__name__) from away
        if response.status_code != httpx.codes.OK:
            raise DepartmentUnavailable(f"The department answered {response.status_code}.")
        expected = signature(self.key, nonce, response.text)
        if not hmac.compare_digest(response.headers.get("X-Signature", ""), expected):
            raise DepartmentUnavailable("The department's answer is not signed by it.")
        return _answer(response.text)


def _answer(raw: str) -> Answer:
    try:
        body = json.loads(raw)
        on = body.get("issued_on")
        texts = ("code", "number", "check_code", "url", "reason")
        return Answer(
            outcome=Outcome(body["outcome"]),
            amount_fen=int(body.get("amount_fen", 0)),
            issued_on=date.fromisoformat(on) if on else None,
            **{name: str(body.get(name) or "") for name in texts},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as bad:
        raise DepartmentUnavailable("The department's answer makes no sense.") from bad
