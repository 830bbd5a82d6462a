"""Saying now and then that a process works: not at every turn, for that costs a commit."""

from dataclasses import dataclass
from time import monotonic

from fundraising.audit import service as audit
from fundraising.database import transaction

EVERY_SECONDS = 10.0


@dataclass
class Pulse:
    """The heartbeat of a kind of process."""

    process: str
    next_at: float = 0.0

    def beat(self) -> None:
        """Note that the process works, unless this was noted a moment ago."""
        if monotonic() < self.next_at:
            return
        with transaction():
            audit.beat(self.process)
        self.next_at = monotonic() + EVERY_SECONDS
