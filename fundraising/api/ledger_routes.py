"""JSON version 1: the books, without personal data."""

from typing import Any
from uuid import UUID

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from fundraising import clock
from fundraising.access import public
from fundraising.api import pages
from fundraising.campaigns import queries as campaigns
from fundraising.ledger import queries as ledger
from fundraising.ledger.models import JournalEntry

bp = Blueprint("api_ledger", __name__, url_prefix="/api")


@bp.get("/v1/ledger/trial-balance")
@public
def trial_balance() -> ResponseReturnValue:
    """Give every account's balance; they sum to zero per currency."""
    rows = ledger.trial_balance()
    return jsonify(
        {
            "as_of": pages.time(clock.now()),
            "accounts": [
                {
                    "account": r.account,
                    "name": r.name,
                    "type": r.type,
                    "currency": r.currency,
                    "balance_minor": r.amount_minor,
                }
                for r in rows
            ],
            "sum_minor": sum(r.amount_minor for r in rows),
            "demo": campaigns.holds_demo(),
        }
    )


@bp.get("/v1/ledger/entries")
@public
def entries() -> ResponseReturnValue:
    """Give journal entries with their postings, the latest first; they hold no personal data."""
    cursor = pages.read_cursor()
    limit = pages.limit()
    found = ledger.entries(
        before=UUID(cursor[0]) if cursor else None, limit=limit, kind=request.args.get("kind")
    )
    after = pages.cursor([str(found[-1].id)]) if len(found) == limit else None
    slugs = campaigns.slugs_of_funds({e.fund_id for e in found if e.fund_id})
    items = [_entry(e, slugs.get(e.fund_id) if e.fund_id else None) for e in found]
    return jsonify({"items": items, "next": after, "demo": campaigns.holds_demo()})


def _entry(e: JournalEntry, campaign: str | None) -> dict[str, Any]:
    return {
        "id": str(e.id),
        "voucher": e.voucher,
        "kind": e.kind,
        "booked_on": e.booked_on.isoformat(),
        "recorded_at": pages.time(e.recorded_at),
        "fund": str(e.fund_id) if e.fund_id else None,
        "campaign": campaign,
        "reason": e.reason,
        "reverses": str(e.reverses_id) if e.reverses_id else None,
        "postings": [
            {"account": p.account, "amount_minor": p.amount_minor, "currency": p.currency}
            for p in e.postings
        ],
    }
