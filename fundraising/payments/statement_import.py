"""Bringing statement files: read in the bank's own form, shown before anything is kept, explained once per bank."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.errors import Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments import camt, statement_files
from fundraising.payments.statement_files import (
    LineError,
    NewBankLine,
    StatementFile,
)
from fundraising.payments.statement_models import BankFile, BankMapping
from fundraising.references import uuid7

KEPT = timedelta(days=7)


class MappingNotFound(NotFound):
    """No mapping of that name."""

    message = _l("There is no mapping of columns of that name.")


class MappingRefused(Invalid):
    """The columns chosen are not enough to read a line, or the name is taken."""

    code = "mapping_refused"
    message = _l("Choose a column for the time and one for the amount, and write the bank's name.")


class MappingNameTaken(Invalid):
    """Another bank's mapping has that name."""

    code = "mapping_name_taken"
    message = _l("Another mapping has this name. Choose a different one.")


class FileGone(NotFound):
    """The file was taken over already, or waited too long."""

    message = _l("This file is not here any more. Please choose it again.")


class FileTaken(FileGone):
    """The file was taken over; somebody went back to it or sent it again."""

    code = "bank_file_taken"
    message = _l("This statement is taken over already. Its lines stand under bank statements.")


@dataclass(frozen=True)
class Plan:
    """What taking over a file would do; with changed lines or errors it is refused."""

    new: list[NewBankLine] = field(default_factory=list)
    known: list[NewBankLine] = field(default_factory=list)
    changed: list[NewBankLine] = field(default_factory=list)
    errors: list[LineError] = field(default_factory=list)

    @property
    def may_be_taken(self) -> bool:
        """Whether every line makes sense and none contradicts what is here."""
        return not self.changed and not self.errors


def normal_account(number: str) -> str:
    """Return an account's number as it is kept: without spaces."""
    return "".join(number.split())


def read(bank_account: str, data: bytes, mapping: str = "") -> StatementFile:
    """Read a statement in whatever form it has: camt.053, a saved mapping's, or with the usual headings.

    Raises:
        UnreadableStatement: no statement, or not whole.
        UnknownHeadings: a table nobody has explained.
        MappingNotFound: no mapping of that name.
    """
    if camt.is_camt(data):
        return camt.read(data, bank_account)
    if mapping:
        return statement_files.read(data, _named(mapping).columns)
    saved = recognised(data)
    return statement_files.read(data, saved.columns if saved else None)


def recognised(data: bytes) -> BankMapping | None:
    """Return the mapping that was saved for exactly these headings, None when there is none."""
    table = statement_files.table_of(data)
    headings = table[statement_files.headings_line(table)]
    query = select(BankMapping).where(BankMapping.signature == statement_files.signature(headings))
    return db.session.execute(query).scalar_one_or_none()


def plan(bank_account: str, file: StatementFile) -> Plan:
    """Compare a file with the lines that are here."""
    lines = statement_files.keyed(bank_account, file.lines)
    rows = db.session.execute(
        text(
            "SELECT serial, amount_fen FROM payment_bank_line "
            "WHERE bank_account = :account AND serial = ANY(:serials)"
        ),
        {"account": bank_account, "serials": [line.serial for line in lines]},
    )
    here = {row.serial: row.amount_fen for row in rows}
    planned = Plan(errors=file.errors)
    for line in lines:
        fen = here.get(line.serial)
        if fen is None:
            here[line.serial] = line.amount.minor
            planned.new.append(line)
        else:
            (planned.known if fen == line.amount.minor else planned.changed).append(line)
    return planned


# ---------------------------------------------------------------------- files that wait


def stage(bank_account: str, filename: str, data: bytes, actor_id: UUID | None) -> BankFile:
    """Keep a file until somebody has looked at it; forget those that waited a week.

    Raises:
        UnreadableStatement: too large or packed.
    """
    statement_files.require_modest(data)
    db.session.execute(
        update(BankFile)
        .where(BankFile.data.is_not(None), BankFile.uploaded_at < clock.now() - KEPT)
        .values(data=None)
        .execution_options(synchronize_session=False)
    )
    file = BankFile(
        bank_account=normal_account(bank_account),
        filename=filename[:200],
        sha256=hashlib.sha256(data).hexdigest(),
        data=data,
        uploaded_by=actor_id,
        uploaded_at=clock.now(),
    )
    db.session.add(file)
    db.session.flush()
    return file


def waiting(file_id: UUID) -> tuple[BankFile, bytes]:
    """Return a file that waits, with its bytes. Raises FileGone, FileTaken."""
    file = db.session.get(BankFile, file_id, populate_existing=True)
    if file is not None and file.taken_at is not None:
        raise FileTaken
    if file is None or file.data is None:
        raise FileGone
    return file, file.data


def taken_over(file: BankFile, new_count: int, known_count: int) -> None:
    """Note that a file was taken over; its bytes are forgotten."""
    file.taken_at, file.data = clock.now(), None
    file.new_count, file.known_count = new_count, known_count
    db.session.flush()


# ---------------------------------------------------------------------- mappings


def save_mapping(
    name: str, headings: Sequence[str], columns: Mapping[str, Sequence[int]], actor_id: UUID | None
) -> None:
    """Keep what the columns under these headings mean; explained anew, the newer explanation stands.

    Raises:
        MappingRefused: without a name, or without time and amount.
        MappingNameTaken: another bank's headings have that name.
    """
    name = " ".join(name.split())
    if not name or not statement_files.is_enough(columns):
        raise MappingRefused
    signature = statement_files.signature(headings)
    taken = select(BankMapping.id).where(
        BankMapping.name == name, BankMapping.signature != signature
    )
    if db.session.execute(taken).first() is not None:
        raise MappingNameTaken
    values = {
        "name": name,
        "headings": [cell.strip() for cell in headings],
        "columns": {meaning: list(places) for meaning, places in columns.items()},
        "saved_by": actor_id,
        "saved_at": clock.now(),
    }
    db.session.execute(
        insert(BankMapping)
        .values(id=uuid7(), signature=signature, **values)
        .on_conflict_do_update(index_elements=[BankMapping.signature], set_=values)
    )
    audit.record("bank.mapping_saved", f"bank-mapping:{name}", actor_id, {"columns": list(columns)})


def mappings(limit: int = 100) -> list[BankMapping]:
    """Return the saved mappings by name."""
    return list(
        db.session.execute(select(BankMapping).order_by(BankMapping.name).limit(limit)).scalars()
    )


def _named(name: str) -> BankMapping:
    found = db.session.execute(
        select(BankMapping).where(BankMapping.name == name)
    ).scalar_one_or_none()
    if found is None:
        raise MappingNotFound(name=name)
    return found
