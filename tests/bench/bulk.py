"""Gifts in great numbers: orders to be paid by notices, and a million paid gifts as sets in SQL.

The sets go through every constraint and trigger; ``books check`` proves afterwards that they are what the
services would have written.
"""

import hashlib
import secrets
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import insert

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.giving.models import Gift
from fundraising.ledger import chart
from fundraising.payments.models import Attempt, InboxNotice
from fundraising.payments.providers.base import Product
from fundraising.references import order_number, uuid7
from tests import wechat
from tests.bench import load
from tests.wechat import Notice

FEN = 1314
STEP = 50_000
GIFTS = """
INSERT INTO giving_gift (id, ref, order_no, token, idempotency_key, body_hash, campaign_id, fund_id, amount_fen,
    refunded_fen, currency, channel, external_ref, state, display, message_state, wants_fiscal_receipt,
    receipt_rule, locale, created_at, paid_at)
SELECT gift, 'G' || left(mark, 15), upper(left(mark, 24)), mark, mark, '', %(campaign)s, %(fund)s, fen, 0, 'CNY',
    'gongyibao', mark, 'paid', 'anonymous', 'none', false, 'at_once', 'zh', now(), now() FROM bench_load
"""
ENTRIES = """
INSERT INTO ledger_entry (id, key, body_hash, kind, occurred_at, recorded_at, booked_on, period, voucher_no,
    posting_count, fund_id, actor)
SELECT entry, 'gift:gongyibao:' || mark, %(hash)s, 'gift_received', now(), now(), %(today)s, %(month)s,
    %(voucher)s + n, 2, %(fund)s, 'system' FROM bench_load
"""
POSTINGS = """
INSERT INTO ledger_posting (entry_id, line, account, amount_minor, currency, fund_id)
SELECT entry, 1, %(debit)s, fen, 'CNY', NULL FROM bench_load
UNION ALL SELECT entry, 2, %(credit)s, -fen, 'CNY', %(fund)s FROM bench_load
"""
LOTS = """
INSERT INTO fund_lot (source, source_id, fund_id, ordinal, gift_ordinal, start_fen, end_fen, entry_id)
SELECT 'gift', gift, fund_id, lots_count + n, gifts_count + n, end_fen + reached - fen, end_fen + reached, entry
FROM (SELECT *, sum(fen) OVER (ORDER BY n)::bigint AS reached FROM bench_load) AS l, fund_lane WHERE fund_id = %(fund)s
"""
LANE = """
UPDATE fund_lane SET end_fen = end_fen + total, lots_count = lots_count + many, gifts_count = gifts_count + many
FROM (SELECT sum(fen)::bigint AS total, count(*) AS many FROM bench_load) AS l WHERE fund_id = %(fund)s
"""
TOTALS = """
INSERT INTO ledger_total_delta (account, currency, fund_id, kind, amount_minor, posting_count)
SELECT account, 'CNY', fund, 'gift_received', total * sign, many
FROM (SELECT sum(fen)::bigint AS total, count(*) AS many FROM bench_load) AS l,
     (VALUES (%(debit)s, NULL::uuid, 1), (%(credit)s, %(fund)s, -1)) AS side(account, fund, sign)
"""
DAYS = """
INSERT INTO giving_day_total (campaign_id, day, amount_fen, gifts, people, anonymous_payers)
SELECT %(campaign)s, %(today)s::text, sum(fen), count(*), 0, count(*) FROM bench_load
"""


def paid_gifts(owner: psycopg.Connection, campaign: Campaign, count: int) -> UUID:
    """Put so many paid gifts behind a campaign, a set per transaction; return the id of the last gift."""
    for start in range(0, count, STEP):
        with owner.transaction():
            owner.execute("SET LOCAL statement_timeout = 0")
            last = _set(owner, campaign, min(STEP, count - start))
    return last


def _set(owner: psycopg.Connection, campaign: Campaign, size: int) -> UUID:
    today = clock.today()
    month = f"{today:%Y-%m}"
    owner.execute(
        "CREATE TEMP TABLE bench_load ON COMMIT DROP AS SELECT n, uuidv7() AS gift, uuidv7() AS entry, "
        "100 + n % 1900 AS fen, replace(gen_random_uuid()::text, '-', '') AS mark "
        f"FROM generate_series(1, {size}) AS n"
    )
    voucher = owner.execute(
        "INSERT INTO ledger_period (period, last_voucher) VALUES (%s, 0) ON CONFLICT (period) "
        "DO UPDATE SET last_voucher = ledger_period.last_voucher RETURNING last_voucher",
        (month,),
    ).fetchone()
    assert voucher is not None
    values = {
        "campaign": campaign.id,
        "fund": campaign.fund_id,
        "today": today,
        "month": month,
        "voucher": voucher[0],
        "hash": hashlib.sha256(b"loaded").digest(),
        "debit": chart.clearing("gongyibao"),
        "credit": chart.INCOME_RESTRICTED,
    }
    for statement in (GIFTS, ENTRIES, POSTINGS, LOTS, LANE, TOTALS, DAYS):
        owner.execute(statement, values)
    owner.execute(
        "UPDATE ledger_period SET last_voucher = last_voucher + %s WHERE period = %s", (size, month)
    )
    row = owner.execute("SELECT gift FROM bench_load ORDER BY n DESC LIMIT 1").fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


def requests(campaign: Campaign, count: int, port: int) -> list[bytes]:
    """Write so many unpaid gifts and return the signed requests that will pay them."""
    return [_request(notice, port) for notice in _notices(campaign, count)]


def in_the_inbox(campaign: Campaign, count: int) -> None:
    """Write so many unpaid gifts, and their notices as if they had come in a moment ago."""
    found = _notices(campaign, count)
    rows = [
        {
            "provider": "wechatpay",
            "account": wechat.MCHID,
            "dedup_key": notice.number,
            "event_type": notice.event,
            "raw": notice.raw(),
            "sha256": "",
        }
        for notice in found
    ]
    with transaction():
        db.session.execute(insert(InboxNotice), rows)
    db.session.remove()


def _notices(campaign: Campaign, count: int) -> list[Notice]:
    orders = [order_number() for _ in range(count)]
    with transaction():
        _orders(campaign, orders)
    db.session.remove()
    return [Notice(order, FEN, openid=f"o{secrets.token_hex(14)}") for order in orders]


def _orders(campaign: Campaign, orders: list[str]) -> None:
    gifts = [_gift(campaign, order) for order in orders]
    attempts = [
        {
            "order_id": gift["id"],
            "provider": "wechatpay",
            "account": wechat.MCHID,
            "product": Product.WECHATPAY_NATIVE,
            "merchant_ref": gift["order_no"],
            "amount_fen": FEN,
            "state": "pending",
            "expires_at": clock.now(),
        }
        for gift in gifts
    ]
    db.session.execute(insert(Gift), gifts)
    db.session.execute(insert(Attempt), attempts)


def _gift(campaign: Campaign, order: str) -> dict[str, object]:
    return {
        "id": uuid7(),
        "ref": f"G{secrets.token_hex(8)}",
        "order_no": order,
        "token": secrets.token_urlsafe(16),
        "idempotency_key": uuid4().hex,
        "body_hash": "",
        "campaign_id": campaign.id,
        "fund_id": campaign.fund_id,
        "amount_fen": FEN,
        "channel": "wechatpay",
        "state": "pending",
    }


def _request(notice: Notice, port: int) -> bytes:
    raw = notice.raw()
    return load.post("/payments/wechatpay/notify", port, notice.headers(raw), raw)
