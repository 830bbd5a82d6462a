"""Who stands behind a mandate: sealed under a key of their own, found again by address, erasable."""

from dataclasses import asdict

from fundraising import sealing
from fundraising.database import db
from fundraising.giving.mandates.models import Mandate
from fundraising.giving.people import PersonData


def keep(mandate: Mandate, person: PersonData) -> None:
    """Seal what the donor told; the mandate must have its id."""
    mandate.wrapped_key, mandate.sealed = sealing.seal_row(mandate.id, asdict(person))
    mandate.email_key = email_key(person.email)


def read(mandate: Mandate) -> PersonData:
    """Return what the donor told, empty when it was erased."""
    if mandate.wrapped_key is None:
        return PersonData()
    return PersonData(**sealing.open_row(mandate.id, mandate.wrapped_key, mandate.sealed))


def email_key(email: str) -> str:
    """Return a keyed hash of an address, the same for every mandate of one donor."""
    return sealing.fingerprint("mandate-address", email.strip().casefold())


def erase(mandate: Mandate) -> None:
    """Destroy the donor's key; the promise, its months and gifts stay without the person."""
    mandate.wrapped_key, mandate.email_key, mandate.sealed = None, None, b""
    db.session.flush()
