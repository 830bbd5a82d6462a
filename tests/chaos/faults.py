"""Killing and freezing the processes of a stack, by a plan that the seed makes."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from local.processes import wait_for
from local.stack import Stack
from tests.chaos import database

VICTIMS = ("web", "worker", "relay", "valkey", "postgres", "beat")
WEIGHTS = (5, 5, 3, 3, 2, 1)
KILLED = 0.6
FREEZE = (0.1, 1.2)


AIMS = {
    "mixed": (
        "kill web",
        "kill worker",
        "freeze postgres",
        "kill relay",
        "kill valkey",
        "kill beat",
    ),
    "worker": ("kill busy-worker",) * 3,
    "database": ("kill postgres",) * 4,
    "relay": ("kill relay", "kill relay", "kill relay", "kill valkey"),
}
"""Small storms that strike where a defect shows; a busy worker is struck when it has just booked something.

Rings that a dead relay left behind die with Valkey."""

BUSY = "busy-"
BUSY_SECONDS = 20.0


@dataclass(frozen=True)
class Fault:
    """One blow, after a pause; a frozen process is thawed after so many seconds."""

    victim: str
    pause: float
    frozen: float = 0.0


def plan(count: int, pause: float, seed: int) -> list[Fault]:
    """Return so many faults with pauses about that long."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        (victim,) = chance.choices(VICTIMS, WEIGHTS)
        frozen = chance.uniform(*FREEZE) if chance.random() >= KILLED else 0.0
        made.append(Fault(victim, chance.uniform(0.5, 1.5) * pause, frozen))
    return made


def aimed(aim: str, pause: float) -> list[Fault]:
    """Return the faults of a small storm."""
    return [
        Fault(victim, pause, FREEZE[1] if how == "freeze" else 0.0)
        for how, _, victim in (words.partition(" ") for words in AIMS[aim])
    ]


class Nemesis(threading.Thread):
    """Does the faults one after another, and thaws what it froze."""

    def __init__(self, stack: Stack, faults: Sequence[Fault]) -> None:
        super().__init__(daemon=True)
        self.stack, self.faults = stack, faults
        self.done: Counter[str] = Counter()
        self.booked = 0

    @property
    def seconds(self) -> float:
        """How long the plan takes at least."""
        return sum(fault.pause + fault.frozen for fault in self.faults)

    def run(self) -> None:
        """Do them; a victim that is just being started again is waited for."""
        for fault in self.faults:
            time.sleep(fault.pause)
            if fault.victim.startswith(BUSY):
                wait_for(self._has_booked_more, BUSY_SECONDS, pause=0.05)
            pid = self._pid(fault.victim.removeprefix(BUSY))
            if fault.frozen:
                self._send(pid, signal.SIGSTOP)
                time.sleep(fault.frozen)
                self._send(pid, signal.SIGCONT)
            elif fault.victim == "postgres":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            else:
                self._send(pid, signal.SIGKILL)
            self.done[
                f"{'freeze' if fault.frozen else 'kill'} {fault.victim.removeprefix(BUSY)}"
            ] += 1

    def _pid(self, victim: str) -> int:
        while not (pid := self.stack.pid(victim)):
            time.sleep(0.05)
        return pid

    def _has_booked_more(self) -> bool:
        before, self.booked = self.booked, database.count_facts(self.stack)
        return 0 < before < self.booked

    def _send(self, group: int, how: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, how)
