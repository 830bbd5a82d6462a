"""Killing and freezing the processes of a stack, by a seeded plan."""

import contextlib
import os
import random
import signal
import threading
import time

from local.stack import Stack

VICTIMS = ("web", "worker", "relay", "valkey", "postgres", "beat")
WEIGHTS = (5, 5, 3, 3, 2, 1)
FREEZE = (0.1, 1.2)


class Nemesis(threading.Thread):
    """Does so many faults, with pauses between, and thaws what it froze."""

    def __init__(self, stack: Stack, count: int, pause: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.stack, self.count, self.pause = stack, count, pause
        self.chance = random.Random(seed)
        self.done: dict[str, int] = {}
        self.ended_at = 0.0

    def run(self) -> None:
        """Do the faults one after another."""
        for _ in range(self.count):
            time.sleep(self.chance.uniform(0.5, 1.5) * self.pause)
            (victim,) = self.chance.choices(VICTIMS, WEIGHTS)
            if self.chance.random() < 0.6:
                self._kill(victim)
            else:
                self._freeze(victim)
        self.ended_at = time.monotonic()

    def _kill(self, victim: str) -> None:
        pid = self.stack.pid(victim)
        if pid:
            self._note(f"kill {victim}")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if victim == "postgres":
                    os.kill(pid, signal.SIGKILL)
                else:
                    os.killpg(pid, signal.SIGKILL)

    def _freeze(self, victim: str) -> None:
        pid = self.stack.pid(victim)
        if pid:
            self._note(f"freeze {victim}")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGSTOP)
            time.sleep(self.chance.uniform(*FREEZE))
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGCONT)

    def _note(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1
