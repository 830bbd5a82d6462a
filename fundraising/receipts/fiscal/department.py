"""What the finance department's system is asked and what it answers: each region's is another adapter."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol


class DepartmentUnavailable(Exception):
    """No believable answer: the outcome is unknown, and is asked for before anything is sent again."""


class Outcome(StrEnum):
    """What became of a request number."""

    ISSUED = "issued"
    PENDING = "pending"
    REJECTED = "rejected"
    VOID = "void"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class BillRequest:
    """A bill to be issued. The same ``request_no`` again is the same bill."""

    request_no: str
    amount_fen: int
    payer_name: str
    payer_tax_no: str
    item: str
    paid_on: date
    note: str


@dataclass(frozen=True)
class RedRequest:
    """A red bill that cancels another one whole."""

    request_no: str
    code: str
    number: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """What the department says; numbers and address are its own."""

    outcome: Outcome
    amount_fen: int = 0
    code: str = ""
    number: str = ""
    check_code: str = ""
    issued_on: date | None = None
    url: str = ""
    reason: str = ""


class Department(Protocol):
    """The finance department's system for one unit."""

    def issue(self, asked: BillRequest) -> Answer:
        """Ask for a bill. Raises DepartmentUnavailable."""
        ...

    def red(self, asked: RedRequest) -> Answer:
        """Ask for the red bill of one that was issued. Raises DepartmentUnavailable."""
        ...

    def find(self, request_no: str) -> Answer:
        """Say what became of a request; UNKNOWN when it never arrived. Raises DepartmentUnavailable."""
        ...
