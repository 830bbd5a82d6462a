"""Taking a gift file over: kept, looked at, confirmed by a person, booked in sets, looked at later.

The file lies in ``files/`` and is never public. Each set is one transaction that also moves the batch's own
count, so a crash loses at most one set, and a repeat goes on where it stopped: numbers that are here are
left out. The same file again, read in the same way, is the same batch.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from fundraising import clock
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.errors import DomainError
from fundraising.files import service as files
from fundraising.files.errors import FileNotFound
from fundraising.giving import booking, imports, people, platform_refunds, turns
from fundraising.giving.booking import WholeGift
from fundraising.giving.errors import ImportNotFound, ImportRefused, NotReady, TextRefused
from fundraising.giving.import_models import GiftImport, ImportState
from fundraising.giving.imports import Plan, PlannedRefund, RefundState, Source
from fundraising.giving.models import Display
from fundraising.giving.turns import Turn
from fundraising.ledger import chart
from fundraising.ledger.models import EntryKind
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind
from fundraising.outbox.service import Claimed
from fundraising.payments.platforms import queries as platforms
from fundraising.payments.platforms.gift_files import ColumnsMissing, GiftRow
from fundraising.payments.platforms.tables import UnreadableFile

SET_SIZE = 2000
REFUNDS_AT_ONCE = 100
SMALL_BYTES = 256 * 1024
"""A file up to this size is done while the person waits (about 3,000 lines); a larger one by the worker."""
BUDGET = timedelta(seconds=20)
STUCK_AFTER = timedelta(seconds=90)
MAX_LISTED = imports.MAX_LISTED


def get(import_id: UUID, *, lock: bool = False) -> GiftImport:
    """Return a batch. Raises ImportNotFound."""
    query = select(GiftImport).where(GiftImport.id == import_id)
    if lock:
        query = query.with_for_update()
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise ImportNotFound
    return found


def latest(limit: int = 30, platform: str = "") -> list[GiftImport]:
    """Return batches, the latest first."""
    query = select(GiftImport).order_by(GiftImport.id.desc()).limit(limit)
    if platform:
        query = query.where(GiftImport.platform == platform)
    return list(db.session.execute(query).scalars())


def receive(
    campaign: Campaign,
    platform: str,
    data: bytes,
    filename: str,
    actor_id: UUID | None,
    mapping_name: str = "",
) -> GiftImport:
    """Keep a file as a batch to be looked at. The same file read in the same way is the same batch.

    Raises:
        PlatformNotFound, MappingNotFound: nobody registered or saved that.
        FileRefused: empty or too large.
    """
    mapping = platforms.mapping(platform, mapping_name)
    digest = hashlib.sha256(data).hexdigest()
    known = _find(campaign.id, platform, digest, mapping.label)
    if known is not None:
        return known
    stored = files.store_upload(data, filename)
    batch = GiftImport(
        campaign_id=campaign.id,
        platform=platform,
        filename=filename,
        file_id=stored.id,
        sha256=digest,
        mapping=mapping.label,
        imported_by=actor_id,
    )
    db.session.add(batch)
    db.session.flush()
    return batch


def look(import_id: UUID) -> Source | None:
    """Find out what booking a file would do and keep that with the batch; return what was read, if it could be.

    The file is read between two transactions, because that takes long for a large one.
    """
    found: Source | UnreadableFile
    try:
        found = _read(import_id)
    except UnreadableFile as bad:
        found = bad
    _keep_look(import_id, found)
    return found if isinstance(found, Source) else None


def _keep_look(import_id: UUID, found: Source | UnreadableFile) -> None:
    with transaction():
        batch = get(import_id, lock=True)
        if batch.state in (ImportState.BOOKING, ImportState.DONE):
            return
        batch.progressed_at = clock.now()
        if isinstance(found, ColumnsMissing):
            batch.state, batch.detail = ImportState.UNMAPPED, {"headings": found.headings}
        elif isinstance(found, UnreadableFile):
            batch.state, batch.detail = ImportState.UNREADABLE, {"problem": _msgid(found)}
        else:
            _keep_figures(batch, imports.plan(campaigns.get_by_id(batch.campaign_id), found))
        db.session.flush()


def map_anew(batch: GiftImport) -> GiftImport:
    """Read a batch with the platform's newest mapping; where that is another batch, return that one."""
    label = platforms.mapping(batch.platform).label
    other = _find(batch.campaign_id, batch.platform, batch.sha256, label)
    if other is not None and other.id != batch.id:
        return other
    batch.mapping, batch.state = label, ImportState.LOOKING
    db.session.flush()
    return batch


def is_small(batch: GiftImport) -> bool:
    """Whether the file is done while the person waits."""
    return batch.file_id is not None and files.get(batch.file_id).size <= SMALL_BYTES


def hand_over(batch: GiftImport) -> None:
    """Leave the next step (looking or booking) to the worker."""
    batch.progressed_at = clock.now()
    db.session.flush()
    key = f"import:{batch.id}:{batch.state}:{clock.now().timestamp()}"
    outbox.add(Kind.IMPORT_GIFTS, key, {"import_id": str(batch.id)})


def confirm(import_id: UUID, actor_id: UUID | None) -> GiftImport:
    """Say yes to booking what was shown.

    Raises:
        NotReady: it was not looked at, holds refused lines, or was confirmed before.
    """
    batch = get(import_id, lock=True)
    if batch.state != ImportState.READY:
        raise NotReady
    batch.state, batch.imported_by, batch.progressed_at = (
        ImportState.BOOKING,
        actor_id,
        clock.now(),
    )
    db.session.flush()
    audit.record(
        "gifts.confirmed", f"import:{batch.id}", actor_id, {"planned": batch.planned_count}
    )
    return batch


def handle(work: Claimed) -> None:
    """Do what a batch waits for, for as long as one task may take; what is left becomes new work."""
    import_id = UUID(work.payload["import_id"])
    with transaction():
        state = get(import_id).state
    if state == ImportState.LOOKING:
        look(import_id)
    if state == ImportState.BOOKING and not book(import_id, BUDGET):
        with transaction():
            hand_over(get(import_id, lock=True))


def book(import_id: UUID, budget: timedelta | None = None, source: Source | None = None) -> bool:
    """Book what is new in a confirmed file, set by set, each in its own transaction; True when all is done.

    May be run again at any moment, also by two at once: what is here already is left out. ``source`` is the
    file where the caller has just read it.
    """
    deadline = monotonic() + budget.total_seconds() if budget else None
    with transaction():
        if get(import_id).state != ImportState.BOOKING:
            return True
    source = source or _read(import_id)
    with transaction():
        batch = get(import_id, lock=True)
        planned = imports.plan(campaigns.get_by_id(batch.campaign_id), source)
        if planned.error_count:
            _keep_figures(batch, planned)
            return True
    new = planned.new
    is_all = turns.in_order(
        [new[start : start + SET_SIZE] for start in range(0, len(new), SET_SIZE)],
        partial(_book_set, import_id),
        lambda: deadline is None or monotonic() <= deadline,
    )
    if not is_all:
        return False
    told = [refund.row for refund in planned.refunds if refund.state is RefundState.OPEN]
    for start in range(0, len(told), REFUNDS_AT_ONCE):
        if deadline and monotonic() > deadline:
            return False
        with transaction():
            platform_refunds.book(import_id, told[start : start + REFUNDS_AT_ONCE])
    doubtful = [one.row for one in planned.refunds if one.state is RefundState.DOUBTFUL]
    with transaction():
        platform_refunds.ask(import_id, doubtful)
        _finish(import_id, source)
    return True


def take_over(
    campaign: Campaign,
    platform: str,
    data: bytes,
    filename: str,
    actor_id: UUID | None,
    mapping_name: str = "",
) -> GiftImport:
    """Look at a file and book it at once, as commands do.

    Raises:
        UnreadableFile, ColumnsMissing: it cannot be read.
        ImportRefused: it holds lines that cannot be used; nothing was booked.
    """
    with transaction():
        batch = receive(campaign, platform, data, filename, actor_id, mapping_name)
        import_id, state = batch.id, batch.state
    source = None
    if state not in (ImportState.DONE, ImportState.BOOKING):
        source = look(import_id)
    with transaction():
        batch = get(import_id, lock=True)
        if batch.state in (ImportState.UNMAPPED, ImportState.UNREADABLE):
            imports.read(data, filename, platforms.mapping(platform, mapping_name))
        if batch.state == ImportState.REFUSED:
            raise ImportRefused(lines=[error[0] for error in batch.detail["errors"]])
        if batch.state == ImportState.READY:
            confirm(import_id, actor_id)
    book(import_id, source=source)
    return get(import_id)


# ---------------------------------------------------------------------- inside


def _find(campaign_id: UUID, platform: str, digest: str, label: str) -> GiftImport | None:
    query = select(GiftImport).where(
        GiftImport.campaign_id == campaign_id,
        GiftImport.platform == platform,
        GiftImport.sha256 == digest,
        GiftImport.mapping == label,
        GiftImport.file_id.is_not(None),
    )
    return db.session.execute(query).scalar_one_or_none()


def _read(import_id: UUID) -> Source:
    """Read the file of a batch; no transaction is open while it is read."""
    with transaction():
        batch = get(import_id)
        if batch.file_id is None:
            raise NotReady
        name, path = batch.filename, files.path(batch.sha256)
        mapping = platforms.mapping_labelled(batch.platform, batch.mapping)
    try:
        return imports.read(path.read_bytes(), name, mapping)
    except OSError as gone:
        raise FileNotFound from gone


def _msgid(bad: DomainError) -> list[Any]:
    """Return an error's words so that they can be said later in the reader's language."""
    said = bad.message
    return [getattr(said, "_args", (str(said),))[0], getattr(said, "_kwargs", {})]


def _keep_figures(batch: GiftImport, planned: Plan) -> None:
    batch.state = ImportState.REFUSED if planned.error_count else ImportState.READY
    batch.planned_count = batch.new_count + len(planned.new)
    batch.planned_fen = batch.amount_fen + planned.amount_fen
    batch.known_count = planned.known_count
    batch.unpaid_count = planned.unpaid_count
    batch.error_count = planned.error_count
    batch.refund_count = len(planned.refunds)
    batch.refund_fen = planned.refund_fen
    batch.detail = {
        "fee_fen": planned.fee_fen if planned.has_fees else None,
        "days": [[day.day.isoformat(), day.count, day.amount_fen] for day in planned.days()],
        "errors": [error.kept() for error in planned.errors],
        "open_refunds": sum(r.state is RefundState.OPEN for r in planned.refunds),
        "refunds": _listed(planned.refunds),
    }


def _listed(refunds: Sequence[PlannedRefund]) -> list[list[Any]]:
    return [
        [r.row.line, r.row.number, r.row.amount.minor, r.row.at.isoformat(), r.state]
        for r in refunds[:MAX_LISTED]
    ]


def _book_set(import_id: UUID, rows: Sequence[GiftRow], turn: Turn) -> None:
    """Book one set, and at its end move the batch's own count with it."""
    by_number = {row.number: row for row in rows}
    with transaction():
        batch = get(import_id)
        booked = booking.book_set(
            campaigns.get_by_id(batch.campaign_id),
            [_gift(batch.platform, row) for row in rows],
            kind=EntryKind.GIFT_IMPORTED,
            account=chart.clearing(batch.platform),
            turn=turn,
        )
        kept = [(gift, by_number[gift.number]) for gift in booked]
        _write_lines(import_id, kept)
        batch = get(import_id, lock=True)
        batch.new_count += len(kept)
        batch.amount_fen += sum(row.amount.minor for _, row in kept)
        batch.fee_fen += sum(row.fee.minor for _, row in kept)
        batch.progressed_at = clock.now()


def _write_lines(import_id: UUID, kept: Sequence[tuple[WholeGift, GiftRow]]) -> None:
    db.session.execute(
        text(
            """
            INSERT INTO giving_import_line (import_id, line, gift_id, fee_fen)
            SELECT :import_id, line, gift_id, fee FROM unnest(
                CAST(:lines AS integer[]), CAST(:gifts AS uuid[]), CAST(:fees AS bigint[])) AS t(line, gift_id, fee)
            """
        ),
        {
            "import_id": import_id,
            "lines": [row.line for _, row in kept],
            "gifts": [gift.id for gift, _ in kept],
            "fees": [row.fee.minor for _, row in kept],
        },
    )


def _finish(import_id: UUID, source: Source) -> None:
    batch = get(import_id, lock=True)
    if batch.state != ImportState.BOOKING:
        return
    batch.state, batch.finished_at = ImportState.DONE, clock.now()
    if source.file.refunds:
        refunds = imports.refunds(source, imports.known_numbers(source))
        batch.detail = {**batch.detail, "refunds": _listed(refunds), "open_refunds": 0}
    db.session.flush()
    campaign = campaigns.get_by_id(batch.campaign_id)
    audit.record(
        "gifts.imported",
        f"campaign:{campaign.slug}",
        batch.imported_by,
        {"import": str(batch.id), "new": batch.new_count},
    )


def _gift(channel: str, row: GiftRow) -> WholeGift:
    """Return an imported gift. A name the platform already masks may be shown."""
    is_masked = row.name.endswith("**")
    return WholeGift(
        channel=channel,
        number=row.number,
        amount=row.amount,
        at=row.paid_at,
        name=row.name,
        display=Display.MASKED if is_masked else Display.ANONYMOUS,
        display_name=row.name if is_masked else None,
        message=_message(row.message),
    )


def _message(written: str) -> str:
    try:
        return people.clean_message(written)
    except TextRefused:
        return ""
