"""All that happens from outside in a storm: notices that insist, strangers who forge, questions that fall due.

A share of notices is sent again, a share in another order; some never come and are found by asking. Some
payments carry another amount, some orders are paid twice, some payments go back behind our back.
"""

import random
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import httpx

from fundraising import outbound
from local.stack import Stack
from tests.chaos import database
from tests.chaos.seed import Order
from tests.chaos.sides import Side, Sides

AGAIN, REORDERED, WITHHELD, MISMATCHED, FORGED = 0.20, 0.10, 0.04, 0.02, 0.02
ASKED_TOO = 0.04
"""Payments that are asked about although their notice comes."""

SILENCE = 3.0

WINDOW = 300
SENDERS = 16
"""Providers deliver side by side: a notice that is refused holds up none of the others for long."""
ASK_EVERY = 0.5
SEND_SECONDS, INSIST_SECONDS = 6.0, 300.0
ACKED = (200, 204)


@dataclass(frozen=True)
class Step:
    """One delivery: when, as a share of the storm, and what."""

    at: float
    side: Side
    body: str
    is_forged: bool = False


@dataclass
class Storm:
    """All notices of a run, and the threads that send them until they are acknowledged.

    ``back`` is the share of payments that the provider's console sends back. So many ``late`` ones are
    asked about only when everything else is said and silence has come.
    """

    sides: Sides
    stack: Stack
    seed: int
    back: float
    late: int
    withheld: list[str] = field(default_factory=list)
    asked_too: list[str] = field(default_factory=list)
    forged_accepted: int = 0
    acked: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    ended: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []
        self.due: list[float] = []

    def pay_all(self, orders: list[Order]) -> None:
        """Let everybody pay, now; the notices wait in the providers' journals."""
        for side in self.sides.all.values():
            side.run("BEGIN")
        for order in orders:
            side = self.sides.all[order.provider]
            for ref in order.refs:
                side.know(ref, order.fen, f"{self.stack.base_url}{side.path}")
                total = order.fen + 1 if self.chance.random() < MISMATCHED else None
                side.pay(ref, f"payer-{self.chance.getrandbits(64):x}", total)
                if self.chance.random() < self.back:
                    side.give_back(ref, self.chance)
                if self.chance.random() < WITHHELD:
                    self.withheld.append(ref)
                elif self.chance.random() < ASKED_TOO:
                    self.asked_too.append(ref)
        for side in self.sides.all.values():
            side.run("COMMIT")

    def blow(self, spread: float) -> None:
        """Begin to send every notice that is not withheld, over so many seconds."""
        plan, start = self._plan(), time.monotonic()
        self.due = [start + step.at * spread for step in plan]
        self._thread(partial(self._ask, start, spread))
        for n in range(SENDERS):
            self._thread(partial(self._send, plan[n::SENDERS], start, spread))
        self.sides.deliver()

    def _thread(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self.threads.append(thread)
        thread.start()

    @property
    def is_over(self) -> bool:
        """Whether everything was said and acknowledged."""
        return not any(thread.is_alive() for thread in self.threads)

    @property
    def behind(self) -> int:
        """How many deliveries should have been made by now and were not acknowledged yet."""
        return bisect_right(self.due, time.monotonic()) - self.ended

    def _plan(self) -> list[Step]:
        """Return when each notice is sent first: some reordered, some doubled, some forged beside."""
        hidden = set(self.withheld)
        rows = []
        for side in self.sides.all.values():
            for ref, body in side.notices():
                if (
                    ref in hidden
                ):  # the notice of the payment; what tells of a refund after it comes
                    hidden.remove(ref)
                else:
                    rows.append((side, body))
        return sorted(
            [step for place in self._places(rows) for step in place], key=lambda step: step.at
        )

    def _places(self, rows: list[tuple[Side, str]]) -> list[list[Step]]:
        """Mix the providers' notices; those of one provider keep their order but for a share."""
        times = {
            side: sorted(self.chance.random() for s, _ in rows if s is side) for side, _ in rows
        }
        return [self._steps(side, body, times[side].pop(0), len(rows)) for side, body in rows]

    def _steps(self, side: Side, body: str, at: float, count: int) -> list[Step]:
        if self.chance.random() < REORDERED:
            at += self.chance.uniform(-WINDOW, WINDOW) / max(count, WINDOW)
        at = min(max(at, 0.0), 1.0)
        steps = [Step(at, side, body)]
        if self.chance.random() < AGAIN:
            later = min(at + self.chance.random() * 0.1, 1.0)
            steps.append(Step(at if self.chance.random() < 0.5 else later, side, body))
        if self.chance.random() < FORGED:
            steps.append(Step(at, side, body, is_forged=True))
        return steps

    # ------------------------------------------------------------------ sending

    def _send(self, plan: list[Step], start: float, spread: float) -> None:
        with outbound.client(SEND_SECONDS) as http:
            for step in plan:
                time.sleep(max(0.0, start + step.at * spread - time.monotonic()))
                if step.is_forged:
                    self._forge(http, step)
                else:
                    self._insist(http, step)
                with self.lock:
                    self.ended += 1

    def _insist(self, http: httpx.Client, step: Step) -> None:
        give_up = time.monotonic() + INSIST_SECONDS
        for tries in range(10_000):
            if self._post(http, step) in ACKED:
                with self.lock:
                    self.acked += 1
                return
            if time.monotonic() > give_up:
                return
            time.sleep(min(0.1 * 2**tries, 1.0))

    def _forge(self, http: httpx.Client, step: Step) -> None:
        if self._post(http, step) in ACKED:
            with self.lock:
                self.forged_accepted += 1

    def _post(self, http: httpx.Client, step: Step) -> int:
        headers, raw = step.side.signed(step.body, is_forged=step.is_forged)
        begun = time.monotonic()
        try:
            url = f"{self.stack.base_url}{step.side.path}"
            answer = http.post(url, content=raw, headers=headers).status_code
        except httpx.HTTPError:
            answer = 0
        with self.lock:
            self.answers[answer] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
        return answer

    # ------------------------------------------------------------------ asking

    def _ask(self, start: float, spread: float) -> None:
        """Let payments be due to be asked about at some moment, as their time or their donor would."""
        late = self.withheld[: self.late]
        refs = [*self.withheld[self.late :], *self.asked_too]
        due = sorted((self.chance.random(), ref) for ref in refs)
        while due:
            time.sleep(ASK_EVERY)
            share = (time.monotonic() - start) / spread
            self._let_be_due([ref for at, ref in due if at <= share])
            due = [(at, ref) for at, ref in due if at > share]
        if late:
            for thread in self.threads[1:]:
                thread.join()
            time.sleep(SILENCE)
            self._let_be_due(late)

    def _let_be_due(self, refs: list[str]) -> None:
        if refs:
            database.insist(
                self.stack,
                "UPDATE payment_attempt SET query_due_at = now() "
                "WHERE merchant_ref = ANY(%s) AND query_due_at > now() + interval '1 minute'",
                (refs,),
            )
