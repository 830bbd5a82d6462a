"""Agreements that donors sign at a provider so that later gifts are charged: one Protocol, and its values.

Such an agreement is signed on the provider's own page, may be ended there or by us, and is believed only as
the provider's answer to a question tells it: a notice makes us ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from fundraising.money import Money
from fundraising.payments.providers.base import (
    ChargeRequest,
    CloseResult,
    Contract,
    Envelope,
    Fact,
    QueryResult,
    Reply,
)


class AgreementState(StrEnum):
    """What a provider says of an agreement. ``ABSENT`` is not signed, signed no longer, or never heard of."""

    WAITING = "waiting"
    STANDING = "standing"
    ABSENT = "absent"


@dataclass(frozen=True)
class SignRequest:
    """What a donor is asked to sign. ``code`` is our number, used once; ``shown_as`` is shown to the donor."""

    code: str
    shown_as: str
    amount: Money
    first_on: date
    notify_url: str
    return_url: str
    client_ip: str
    is_in_app: bool
    is_phone: bool = False


@dataclass(frozen=True)
class Agreement:
    """The provider's answer about an agreement; its numbers only when it stands."""

    state: AgreementState
    contract: Contract | None = None


class AgreementProvider(Protocol):
    """A provider at which donors sign agreements. ``name`` is what its notices are kept under."""

    @property
    def name(self) -> str:
        """The name of the protocol in our inbox."""

    @property
    def largest_notice(self) -> int:
        """How many bytes a notice may have."""

    @property
    def wants_notice(self) -> bool:
        """Whether the provider must be told of each charge some days before."""

    @property
    def waits_days(self) -> int:
        """How many days it wants between that and the charge."""

    def sign_url(self, request: SignRequest) -> str:
        """Return the provider's page on which the donor agrees. Raises ProviderUnavailable, ProviderRejected."""

    def look(self, code: str) -> Agreement:
        """Ask about an agreement by our number. Raises ProviderUnavailable."""

    def tell(self, code: str, contract: Contract, amount: Money, due_on: date) -> None:
        """Tell the provider of a charge to come, as its rules want it. Again, it changes nothing.

        Raises:
            ProviderUnavailable: unknown; ask again. ProviderRejected: it cannot be charged.
        """

    def charge(self, request: ChargeRequest) -> list[Fact]:
        """Collect money, as ``ChargingProvider.charge`` says."""

    def query(self, merchant_ref: str) -> QueryResult:
        """Ask about a charge by our number. Raises ProviderUnavailable when the outcome is unknown."""

    def close(self, merchant_ref: str) -> CloseResult:
        """Make a charge that nobody paid impossible. Raises ProviderUnavailable when the outcome is unknown."""

    def end(self, code: str) -> None:
        """End an agreement; one that is gone already is as good. Raises ProviderUnavailable."""

    def authenticate(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Envelope:
        """Check a notice. Raises Rejected or Unparsable."""

    def parse(self, raw: bytes) -> list[Fact]:
        """Read an authentic notice for what it says of money. Raises Unparsable."""

    def reply(self, status: int) -> Reply:
        """Say in the provider's own words that a notice was kept (204) or refused (any other status)."""
