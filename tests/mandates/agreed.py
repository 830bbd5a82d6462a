"""What the tests of agreements share: the work of a minute, and the simulator's own book."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fundraising.database import db
from fundraising.giving import settlement
from fundraising.giving.mandates import charging, contracts, queries, schedule
from fundraising.giving.mandates.models import (
    Mandate,
    MandateContract,
    Way,
)
from fundraising.ledger import checks
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind, Queue
from fundraising.payments import polling
from tests.conftest import FrozenClock
from tests.providers.sides import Side

HANDLERS = {
    Kind.LOOK_AT_CONTRACT: contracts.look,
    Kind.TELL_MONTH: contracts.tell,
    Kind.CHARGE_MONTH: charging.charge,
    Kind.END_CONTRACT: charging.end_contract,
}
DUE = datetime(2026, 2, 15, 2, tzinfo=UTC)
DOOR = "/payments/wechatpay/contract"
IN_WECHAT = {"User-Agent": "Mozilla/5.0 (iPhone) MicroMessenger/8.0"}
Promise = Callable[..., Mandate]


def work() -> None:
    """Do what waits in the outbox for mandates, as the worker does; what fails stays."""
    for _ in range(2):
        for queue in (Queue.MONEY, Queue.MAINTENANCE):
            for claimed in outbox.claim(queue, 50, timedelta(seconds=120)):
                if claimed.kind in HANDLERS:
                    db.session.commit()
                    HANDLERS[claimed.kind](claimed)
                    outbox.done([claimed.id])
    db.session.commit()


def tick() -> None:
    """What the worker does in a minute."""
    steps = schedule.ALWAYS + (schedule.BY_DAY if schedule.is_open_hour() else ())
    for step in steps:
        step()


def beat() -> None:
    """What happens by itself in a minute, and the work it writes."""
    tick()
    db.session.commit()
    work()


def ask(at: FrozenClock, **by: float) -> None:
    """Let time pass and every unknown order be asked about."""
    at.move(**by or {"minutes": 1})
    polling.poll_due(settlement.apply_facts)


def notices(side: Side, number: str) -> list[bytes]:
    """The simulator's notices about an agreement or a charge, as they are sent."""
    rows = side.simulator.journal.run(
        "SELECT body FROM notices WHERE out_trade_no = ? ORDER BY rowid", number
    )
    return [side.simulator.courier.xml(json.loads(row["body"])["papay"]) for row in rows]


def contract(mandate: Mandate) -> MandateContract:
    return contracts.of(mandate.id)[0]


def asked(mandate: Mandate) -> MandateContract:
    """An agreement whose page was opened and is not signed yet."""
    made = contracts.ask(mandate.id, Way.WECHATPAY, "as agreed")
    db.session.commit()
    url = contracts.open_page(made, return_url="", client_ip="10.0.0.1", agent="MicroMessenger")
    contracts.payments.agreement_provider("wechatpay").v3.http.get(url)  # type: ignore[attr-defined]
    return made


def february(mandate: Mandate) -> queries.Month:
    return queries.month(mandate.id, "2026-02")


def number_of(mandate: Mandate) -> str:
    """Our number of February's charge."""
    gift = february(mandate).gift
    assert gift is not None
    return gift.order_no


def due(at: FrozenClock) -> None:
    """Announce February, let WeChat tell of it, and come to its day."""
    at.at = DUE - timedelta(days=3, hours=1)
    beat()
    at.at = DUE
    tick()
    db.session.commit()


def charges(side: Side, mandate: Mandate) -> int:
    """How often money moved under a mandate's agreements, by the simulator's own book."""
    count = 0
    for c in contracts.of(mandate.id):
        query = "SELECT count(*) AS n FROM orders WHERE state = 'SUCCESS' AND code LIKE ?"
        count += side.simulator.journal.run(query, f"{c.number}:%")[0]["n"]
    return count


def holds() -> None:
    db.session.flush()
    assert checks.run_here() == []
