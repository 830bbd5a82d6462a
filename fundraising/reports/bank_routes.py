"""Staff pages for statement files: look at a file before it is kept, and say what an unknown bank's columns mean."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising.access import staff_may
from fundraising.audit import service as audit
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.giving import transfers
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments import statement_files, statement_import, statements
from fundraising.payments.statement_files import UnknownHeadings
from fundraising.payments.statement_models import BankFile
from fundraising.reports import queries, words
from fundraising.reports.forms import StatementForm

bp = Blueprint("bank_desk", __name__, url_prefix="/staff/finance/bank/files")
MAY_POST = "finance.post"
SHOWN, FIRST_ROWS = 50, 8
UNPROCESSABLE = 422
MEANINGS = {
    "at": _l("Date, or date and time"),
    "time": _l("Time of day"),
    "income": _l("Money in (贷方)"),
    "expense": _l("Money out (借方)"),
    "amount": _l("Amount, with its sign or a mark"),
    "side": _l("Mark of debit or credit"),
    "serial": _l("The bank’s serial number"),
    "balance": _l("Balance after it"),
    "counterparty": _l("Name of the other side"),
    "counterparty_account": _l("Account of the other side"),
    "memo": _l("Memo (there may be several)"),
}


@bp.context_processor
def _shared() -> dict[str, object]:
    return {"demo": queries.has_demo(), "words": words}


@bp.post("")
@staff_may(MAY_POST)
def bring() -> ResponseReturnValue:
    """Take a file in to be looked at; nothing of it is booked yet."""
    form = StatementForm()
    if not form.validate():
        return _form_page(form)
    account = form.account.data or ""
    data = form.file.data.read(statement_files.MAX_BYTES + 1)
    try:
        _is_unknown(account, data)
        with transaction():
            name = form.file.data.filename or ""
            file = statement_import.stage(account, name, data, current_user.id)
    except DomainError as refused:
        form.file.errors = [str(refused.message)]
        return _form_page(form)
    return redirect(url_for(".look", file_id=file.id), 303)


@bp.get("/<uuid:file_id>")
@staff_may(MAY_POST)
def look(file_id: UUID) -> ResponseReturnValue:
    """Show what taking the file over would do, or ask what its columns mean."""
    file, data = statement_import.waiting(file_id)
    if _is_unknown(file.bank_account, data):
        table = statement_files.table_of(data)
        headings = table[statement_files.headings_line(table)]
        return _columns_page(file, data, statement_files.guess(headings))
    return _plan_page(file, data)


@bp.post("/<uuid:file_id>/columns")
@staff_may(MAY_POST)
def columns(file_id: UUID) -> ResponseReturnValue:
    """Show how the first rows read with the columns chosen, or save the choice for this bank."""
    file, data = statement_import.waiting(file_id)
    chosen = _chosen()
    if request.form.get("do") != "save":
        return _columns_page(file, data, chosen)
    table = statement_files.table_of(data)
    headings = table[statement_files.headings_line(table)]
    try:
        with transaction():
            name = request.form.get("name", "")[:80]
            statement_import.save_mapping(name, headings, chosen, current_user.id)
    except DomainError as refused:
        return _columns_page(file, data, chosen, str(refused.message)), UNPROCESSABLE
    flash(_("Saved. Files of this bank are recognised from now on."), "ok")
    return redirect(url_for(".look", file_id=file_id), 303)


@bp.post("/<uuid:file_id>/take")
@staff_may(MAY_POST)
def take(file_id: UUID) -> ResponseReturnValue:
    """Take the file over: lines that are here change nothing, lines with a code are booked as gifts."""
    file, data = statement_import.waiting(file_id)
    try:
        with transaction():
            read = statement_import.read(file.bank_account, data)
            statements.require_whole(read)
            taken = transfers.take_over(file.bank_account, read.lines)
            statement_import.taken_over(file, taken.new_count, taken.known_count)
            detail = {
                "new": taken.new_count,
                "known": taken.known_count,
                "gifts": taken.settled_count,
            }
            audit.record("bank.imported", f"bank-file:{file.sha256}", current_user.id, detail)
    except statements.BankLineChanged as changed:
        with transaction():
            audit.raise_alarm("bank:line-changed", {"serial": changed.extra.get("serial", "")})
        flash(str(changed.message), "error")
        return redirect(url_for(".look", file_id=file_id), 303)
    flash(
        _(
            "%(new)s new lines, %(known)s known, %(gifts)s recognised by their code.",
            new=taken.new_count,
            known=taken.known_count,
            gifts=taken.settled_count,
        ),
        "ok",
    )
    return redirect(url_for("reports.bank"), 303)


# ---------------------------------------------------------------------- inside


def _is_unknown(account: str, data: bytes) -> bool:
    """Whether somebody must explain the columns of a file. Raises UnreadableStatement."""
    try:
        statement_import.read(statement_import.normal_account(account), data)
    except UnknownHeadings:
        table = statement_files.table_of(data)
        statement_files.headings_line(table)
        return True
    return False


def _chosen() -> dict[str, list[int]]:
    """Read which column means what; where one meaning may stand once, the first column counts."""
    found: dict[str, list[int]] = {}
    for name, meaning in request.form.items():
        place = name.removeprefix("column-")
        if name == place or not place.isdecimal() or meaning not in MEANINGS:
            continue
        places = found.setdefault(meaning, [])
        if not places or meaning in statement_files.SEVERAL:
            places.append(int(place))
    return found


def _form_page(form: StatementForm) -> ResponseReturnValue:
    return render_template("reports/bank_file.html", form=form), UNPROCESSABLE


def _columns_page(
    file: BankFile, data: bytes, chosen: dict[str, list[int]], refused: str = ""
) -> str:
    table = statement_files.table_of(data)
    top = statement_files.headings_line(table)
    is_enough = statement_files.is_enough(chosen)
    read = statement_files.rows_of(table, top, chosen, FIRST_ROWS) if is_enough else None
    return render_template(
        "reports/bank_columns.html",
        file=file,
        headings=table[top],
        samples=table[top + 1 : top + 4],
        meaning_of={place: name for name, places in chosen.items() for place in places},
        meanings=MEANINGS,
        read=read,
        refused=refused,
        name=request.form.get("name", ""),
    )


def _plan_page(file: BankFile, data: bytes) -> str:
    read = statement_import.read(file.bank_account, data)
    return render_template(
        "reports/bank_plan.html",
        file=file,
        plan=statement_import.plan(file.bank_account, read),
        most=SHOWN,
    )
