"""Donors as people: sealed names and addresses, names as the public may see them, erasure."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text

from fundraising import clock, sealing
from fundraising.database import db
from fundraising.giving.errors import NameRefused, TaxNumberRefused, TextRefused
from fundraising.giving.models import Display, Gift, MessageState, Person, ReceiptRule

MAX_NAME = 40
MAX_PAYER = 100
MAX_MESSAGE = 60
_LINK = re.compile(r"(https?:|www\.|[a-z0-9-]\.(com|cn|net|org|top|xyz|cc)\b)", re.IGNORECASE)
_TAX_NUMBER = re.compile(r"[0-9A-Z]{15,20}")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


@dataclass(frozen=True)
class PersonData:
    """What a donor told of themselves."""

    name: str = ""
    email: str = ""
    payer_name: str = ""
    payer_tax_no: str = ""


def clean(value: str, longest: int) -> str:
    """Return text in one form (NFC), trimmed, without control and direction marks.

    Raises:
        TextRefused: longer than ``longest`` characters, or holding what has no glyph.
    """
    composed = unicodedata.normalize("NFC", value).strip()
    kept = "".join(c for c in composed if c not in _BIDI)
    kept = " ".join(kept.split())
    if len(kept) > longest or any(
        unicodedata.category(c) in ("Cc", "Cs", "Cn", "Co") for c in kept
    ):
        raise TextRefused
    return kept


def clean_message(value: str) -> str:
    """Return a message fit to be looked at by a moderator. Raises TextRefused, also for links."""
    message = clean(value, MAX_MESSAGE)
    if _LINK.search(message):
        raise TextRefused
    return message


def public_name(display: Display, name: str) -> str | None:
    """Return the name everybody may see: none, the first character and two stars, or the whole.

    Raises:
        NameRefused: a name is wanted and there is none.
    """
    if display is Display.ANONYMOUS:
        return None
    if not name:
        raise NameRefused
    return name if display is Display.FULL else masked(name)


def masked(name: str) -> str:
    """Return a name with all but its first character hidden: ``王**``."""
    if name.endswith("**"):
        return name
    return f"{name[:1]}**" if name else ""


def tax_number(number: str) -> str:
    """Return a tax number in one form, empty for a person. Raises TaxNumberRefused."""
    plain = "".join(number.split()).upper()
    if plain and not _TAX_NUMBER.fullmatch(plain):
        raise TaxNumberRefused
    return plain


def keep(gift_id: UUID, person: PersonData) -> None:
    """Seal what a donor told of themselves under a key of their own; nothing told, nothing kept."""
    keep_many([(gift_id, person)])


def keep_many(people: Sequence[tuple[UUID, PersonData]]) -> None:
    """Seal a set of people with one statement."""
    rows = [
        (gift, *sealing.seal_row(gift, vars(person)), bool(person.email))
        for gift, person in people
        if person != PersonData()
    ]
    if not rows:
        return
    db.session.execute(
        text(
            """
            INSERT INTO giving_person (gift_id, wrapped_key, sealed, has_email)
            SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS bytea[]), CAST(:sealed AS bytea[]),
                                 CAST(:emails AS boolean[]))
            """
        ),
        {
            "ids": [row[0] for row in rows],
            "keys": [row[1] for row in rows],
            "sealed": [row[2] for row in rows],
            "emails": [row[3] for row in rows],
        },
    )


def read(gift_id: UUID) -> PersonData:
    """Return what a donor told, empty when nothing was told or it was erased."""
    row = db.session.get(Person, gift_id)
    if row is None or row.wrapped_key is None:
        return PersonData()
    return PersonData(**sealing.open_row(gift_id, row.wrapped_key, row.sealed))


def tell_payer(gift_id: UUID, name: str, tax_no: str) -> None:
    """Seal whom a fiscal receipt is for beside what the donor told before."""
    person = replace(read(gift_id), payer_name=name, payer_tax_no=tax_no)
    db.session.execute(text("DELETE FROM giving_person WHERE gift_id = :id"), {"id": gift_id})
    db.session.expire_all()
    keep(gift_id, person)


def group(name: str, email: str) -> str:
    """Return a keyed hash that is the same for gifts of one donor: same address, same name."""
    return sealing.fingerprint("receipt-group", f"{email.casefold()}\n{name}")


def erase(gift: Gift) -> None:
    """Destroy the person's key and take name and message from public view; the gift stays in the books."""
    row = db.session.get(Person, gift.id)
    if row is not None:
        row.wrapped_key, row.erased_at, row.has_email, row.sealed = None, clock.now(), False, b""
    gift.display, gift.display_name = Display.ANONYMOUS, None
    if gift.receipt_group is not None:
        gift.receipt_rule, gift.receipt_group = ReceiptRule.ON_REQUEST, None
    gift.message, gift.message_state = None, MessageState.NONE
    db.session.flush()
