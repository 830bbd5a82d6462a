"""The gate before each checkout: it counts what was opened and not paid, by browser, address and campaign.

Paid checkouts never count against anybody, so a work unit of five hundred behind one address gives
freely; beyond the free numbers one puzzle opens one checkout; refused is only what no donor does. The
counts stand in PostgreSQL: without Redis the gate is as shut as with it. Nothing is opened at a provider
before the gate.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import text

from config import Settings
from fundraising import addresses, clock, sealing
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.floods import puzzles
from fundraising.floods.errors import PuzzleWanted, TooManyCheckouts
from fundraising.floods.models import OpenedCheckout
from fundraising.floods.puzzles import Bound, NotSolved, Solution

HOUR, SOON, KEPT = timedelta(hours=1), timedelta(minutes=3), timedelta(days=1)
FREE_DEVICE_SOON, FREE_ADDRESS, FREE_CAMPAIGN = 3, 10, 200
MOST_DEVICE, MOST_ADDRESS = 40, 1000
SAMPLE = 1000
EASY, HARD = 40_000, 640_000
ALARM_LEAST, ALARM_RATIO = 50, 0.8


@dataclass(frozen=True)
class Visit:
    """Somebody about to open a checkout. ``device`` is the browser's own signed cookie, None without one."""

    address: str
    device: str | None
    campaign_id: UUID
    amount_fen: int

    @property
    def bound(self) -> Bound:
        """What a puzzle for this visit is bound to."""
        return Bound(self.campaign_id, self.amount_fen)

    @property
    def address_key(self) -> str:
        """The address as a keyed hash; of IPv6 the first 64 bits, which one house shares."""
        return sealing.fingerprint("flood-address", addresses.network(self.address))

    @property
    def device_key(self) -> str | None:
        """The browser as a keyed hash."""
        return sealing.fingerprint("flood-device", self.device) if self.device else None


@dataclass(frozen=True)
class Pressure:
    """Unpaid checkouts of late."""

    device_soon: int
    device: int
    address: int
    campaign: int
    campaign_paid: int

    @property
    def is_too_much(self) -> bool:
        """Whether even solved puzzles open nothing more."""
        return self.device >= MOST_DEVICE or self.address >= MOST_ADDRESS

    @property
    def wants_puzzle(self) -> bool:
        """Whether the free numbers are used up. A campaign that is simply well liked has mostly paid ones."""
        is_campaign_flooded = self.campaign >= FREE_CAMPAIGN and self.campaign > self.campaign_paid
        return (
            self.device_soon >= FREE_DEVICE_SOON
            or self.address >= FREE_ADDRESS
            or is_campaign_flooded
        )

    @property
    def cost(self) -> int:
        """How far a browser must count: more as the pressure grows, a few seconds at most."""
        doublings = max(self.device // 8, self.address // 150, self.campaign // 300)
        return min(EASY << min(doublings, 10), HARD)


def enter(visit: Visit, solution: Solution | None) -> None:
    """Let a checkout be opened in this transaction. One address opens one after the other.

    Raises:
        PuzzleWanted: a puzzle has to be solved first; a solution was wrong, late, of another gift, or used.
        TooManyCheckouts: the end of patience.
    """
    settings: Settings = current_app.extensions["settings"]
    if not settings.ratelimit_enabled:
        return
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": visit.address_key}
    )
    pressure = measure(visit)
    if pressure.is_too_much:
        raise TooManyCheckouts
    if not pressure.wants_puzzle:
        return
    if solution is None or not _redeem(solution, visit.bound):
        raise PuzzleWanted(puzzles.make(visit.bound, pressure.cost))


def note(attempt_id: UUID, visit: Visit) -> None:
    """Remember for a day that this visit opened a checkout."""
    db.session.add(
        OpenedCheckout(
            attempt_id=attempt_id,
            campaign_id=visit.campaign_id,
            address_key=visit.address_key,
            device_key=visit.device_key,
            at=clock.now(),
        )
    )
    db.session.flush()


def burn(solution: Solution | None) -> None:
    """Let a puzzle that was answered wrongly not be tried again."""
    found = puzzles.nonce_of(solution.token) if solution else None
    if found is not None and found[1] < clock.now() + 2 * puzzles.VALID:
        _spend(*found)


def measure(visit: Visit) -> Pressure:
    """Count the unpaid checkouts of a visit's browser, address and campaign; bounded whatever came in."""
    now = clock.now()
    row = db.session.execute(
        text(
            """
            SELECT
              (SELECT count(*) FROM flood_checkout c JOIN payment_attempt a ON a.id = c.attempt_id
               WHERE c.device_key = :device AND c.at > :soon AND a.state <> 'paid') AS device_soon,
              (SELECT count(*) FROM flood_checkout c JOIN payment_attempt a ON a.id = c.attempt_id
               WHERE c.device_key = :device AND c.at > :hour AND a.state <> 'paid') AS device,
              (SELECT count(*) FROM (
                 SELECT FROM flood_checkout c JOIN payment_attempt a ON a.id = c.attempt_id
                 WHERE c.address_key = :address AND c.at > :hour AND a.state <> 'paid' LIMIT :most) t)
               AS address,
              t.unpaid AS campaign, t.paid AS campaign_paid
            FROM (
              SELECT count(*) FILTER (WHERE state <> 'paid') AS unpaid,
                     count(*) FILTER (WHERE state = 'paid') AS paid
              FROM (SELECT a.state FROM flood_checkout c JOIN payment_attempt a ON a.id = c.attempt_id
                    WHERE c.campaign_id = :campaign AND c.at > :hour ORDER BY c.at DESC LIMIT :sample) s
            ) t
            """
        ),
        {
            "device": visit.device_key,
            "address": visit.address_key,
            "campaign": visit.campaign_id,
            "hour": now - HOUR,
            "soon": now - SOON,
            "most": MOST_ADDRESS,
            "sample": SAMPLE,
        },
    ).one()
    return Pressure(row.device_soon, row.device, row.address, row.campaign, row.campaign_paid)


def watch() -> None:
    """Raise an alarm when most checkouts of a campaign's last hour ended unpaid."""
    now = clock.now()
    rows = db.session.execute(
        text(
            """
            SELECT c.campaign_id, count(*) AS opened, count(*) FILTER (WHERE a.state <> 'paid') AS unpaid
            FROM flood_checkout c JOIN payment_attempt a ON a.id = c.attempt_id
            WHERE c.at > :hour AND (c.at < :soon OR a.state IN ('paid', 'closed', 'failed'))
            GROUP BY c.campaign_id HAVING count(*) >= :least
            """
        ),
        {"hour": now - HOUR, "soon": now - SOON, "least": ALARM_LEAST},
    ).all()
    for row in rows:
        if row.unpaid >= row.opened * ALARM_RATIO:
            audit.raise_alarm(
                f"floods:failure_ratio:{row.campaign_id}",
                {"opened": row.opened, "unpaid": row.unpaid},
            )


def forget() -> None:
    """Delete what is older than a day, and puzzles whose time is over."""
    now = clock.now()
    db.session.execute(text("DELETE FROM flood_checkout WHERE at < :old"), {"old": now - KEPT})
    db.session.execute(text("DELETE FROM flood_spent_puzzle WHERE expires_at < :now"), {"now": now})


def _redeem(solution: Solution, bound: Bound) -> bool:
    try:
        nonce, expires = puzzles.check(solution, bound)
    except NotSolved:
        return False
    return _spend(nonce, expires)


def _spend(nonce: str, expires: object) -> bool:
    inserted = db.session.execute(
        text(
            "INSERT INTO flood_spent_puzzle (nonce, expires_at) VALUES (:nonce, :expires) "
            "ON CONFLICT DO NOTHING RETURNING 1"
        ),
        {"nonce": nonce, "expires": expires},
    )
    return inserted.first() is not None
