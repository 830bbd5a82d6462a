"""What every simulator's courier shares: it delivers, retries on a schedule, misbehaves when told."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fundraising import outbound
from fundraising.payments.simulators.journal import Journal

ANSWER_SECONDS = 5.0
AT_ONCE = 50


@dataclass
class Policy:
    """How a simulator behaves; every field may be set through ``/_ctl/policy``. A provider adds its own."""

    withhold: bool = False
    duplicate: int = 0
    delay_seconds: float = 0.0
    reorder: bool = False
    wrong_key: bool = False
    tamper: bool = False
    speed: float = 1.0
    fail_api: str = ""
    fail_refund: str = ""
    bill_fault: str = ""
    fee_per_10000: int = 60


P = TypeVar("P", bound=Policy)


@dataclass
class Courier(ABC, Generic[P]):
    """Sends what is due, in a thread of its own. A provider says how a notice is sent, and when again."""

    journal: Journal
    policy: P
    now: Callable[[], float] = field(default=time.time, kw_only=True)

    def __post_init__(self) -> None:
        self.http = outbound.client(ANSWER_SECONDS)
        self.is_running = True
        self.thread = threading.Thread(target=self._run, daemon=True)

    @abstractmethod
    def pauses(self) -> Sequence[float]:
        """Return the provider's pauses between deliveries, in seconds."""

    @abstractmethod
    def send(self, row: dict[str, Any]) -> int | str:
        """Send a notice once and return what was answered, or what went wrong."""

    @abstractmethod
    def is_kept(self, answer: int | str) -> bool:
        """Return whether an answer says that the notice need not come again."""

    def start(self) -> None:
        """Begin delivering."""
        self.thread.start()

    def stop(self) -> None:
        """Deliver nothing more."""
        self.is_running = False
        self.thread.join(ANSWER_SECONDS + 1)

    def keep(self, number: str, out_trade_no: str, url: str, body: dict[str, Any]) -> None:
        """Write a notice to be delivered; without an address it is kept and never sent."""
        self.journal.run(
            "INSERT INTO notices (id, out_trade_no, url, body, tries, due, answers) VALUES (?, ?, ?, ?, 0, ?, '[]')",
            number, out_trade_no, url, json.dumps(body, ensure_ascii=False),
            self.now() + self.policy.delay_seconds if url else None,
        )  # fmt: skip

    def release(self) -> None:
        """Make everything that waits due now."""
        self.journal.run("UPDATE notices SET due = ? WHERE due IS NOT NULL", self.now())

    def send_all(self, row: dict[str, Any]) -> list[int | str]:
        """Send a notice as often as the policy says and return the answers, the last one last."""
        return [self.send(row) for _ in range(1 + self.policy.duplicate)]

    def _run(self) -> None:
        while self.is_running:
            if self.policy.withhold or not self._deliver_due():
                time.sleep(0.05)

    def _deliver_due(self) -> bool:
        order = "random()" if self.policy.reorder else "due, rowid"
        rows = self.journal.run(
            f"SELECT * FROM notices WHERE due <= ? ORDER BY {order} LIMIT {AT_ONCE}",  # noqa: S608  own words
            self.now(),
        )
        for row in rows:
            if self.is_running and not self.policy.withhold:
                self._deliver(dict(row))
        return bool(rows)

    def _deliver(self, row: dict[str, Any]) -> None:
        answers, pauses = self.send_all(row), self.pauses()
        tries = row["tries"] + 1
        is_over = self.is_kept(answers[-1]) or tries > len(pauses)
        pause = pauses[min(tries, len(pauses)) - 1] / self.policy.speed
        self.journal.run(
            "UPDATE notices SET tries = ?, due = ?, answers = ? WHERE id = ?",
            tries, None if is_over else self.now() + pause,
            json.dumps([*json.loads(row["answers"]), *answers]), row["id"],
        )  # fmt: skip
