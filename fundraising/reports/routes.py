"""Staff pages of the books: balances, trial balance, months, vouchers, bank lines, and the files to take away."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from config import Settings
from fundraising import clock
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts.nav import Card, Figure
from fundraising.audit import queries as audit_queries
from fundraising.audit import service as audit
from fundraising.database import transaction
from fundraising.errors import DomainError, Invalid
from fundraising.funds import queries as funds
from fundraising.giving import transfer_refunds, transfers
from fundraising.i18n import at_minute, fen, pick
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import queries as books
from fundraising.ledger import service as ledger
from fundraising.money import Money
from fundraising.payments import bank_booking, bank_charges, fees, statement_import, statements
from fundraising.payments.models import BankLine
from fundraising.payments.platforms import queries as platforms
from fundraising.reports import exports, queries, words
from fundraising.reports.exports import Export
from fundraising.reports.forms import FeeForm, StatementForm

bp = Blueprint("reports", __name__, url_prefix="/staff")
MAY_SEE, MAY_POST, MAY_SEE_GIFTS = "finance.view", "finance.post", "gift.view"
PAGE = 50
UNPROCESSABLE = 422
OTHER_WAYS = {
    "suspense": bank_booking.book_suspense,
    "returned": bank_booking.match_returned_cheque,
    "charge": bank_charges.book_charge,
    "interest": bank_charges.book_interest,
}


@bp.context_processor
def _shared() -> dict[str, object]:
    return {"demo": queries.has_demo(), "words": words}


@bp.get("/finance")
@staff_may(MAY_SEE)
def finance() -> ResponseReturnValue:
    """Show what the accounts hold, the trial balance, the funds and the months."""
    listed = funds.list_funds()
    return render_template(
        "reports/finance.html",
        rows=books.trial_balance(),
        funds=listed,
        totals=funds.totals_of([fund.id for fund in listed]),
        periods=books.periods(),
        this_month=f"{clock.today():%Y-%m}",
        waiting=len(statements.unmatched()),
        checked_at=audit_queries.heartbeats().get("books"),
        watched=(
            chart.BANK,
            *map(chart.clearing, (*_channels(), *words.DEPOSITS)),
            chart.SUSPENSE,
            chart.PAYABLE,
        ),
    )


@bp.post("/finance/periods/<period>/close")
@staff_may(MAY_POST)
def close_period(period: str) -> ResponseReturnValue:
    """Close a past month; what happened in it and is heard of later is booked in the running month."""
    with transaction():
        ledger.close_period(period, f"staff:{current_user.id}")
        audit.record("period.closed", f"period:{period}", current_user.id, {})
    flash(_("The month is closed."), "ok")
    return redirect(url_for(".finance"), 303)


@bp.get("/ledger")
@staff_may(MAY_SEE)
def vouchers() -> ResponseReturnValue:
    """List vouchers, the latest recorded first, by kind, account or fund; or go to one by its number."""
    number = request.args.get("voucher", "")
    found = books.find_voucher(number) if number else None
    if found is not None:
        return redirect(url_for(".voucher", entry_id=found.id), 303)
    chosen = {name: request.args.get(name, "") for name in ("kind", "account", "fund")}
    entries = books.entries(
        before=_uuid(request.args.get("before")),
        limit=PAGE,
        kind=chosen["kind"] or None,
        account=chosen["account"] or None,
        fund_id=_uuid(chosen["fund"]),
    )
    asked: dict[str, Any] = {name: value for name, value in chosen.items() if value}
    older = url_for(".vouchers", before=entries[-1].id, **asked) if len(entries) == PAGE else ""
    return render_template(
        "reports/vouchers.html",
        entries=entries,
        chosen=chosen,
        number=number,
        accounts={account.code: account for account in books.accounts()},
        funds={fund.id: fund for fund in funds.list_funds()},
        older=older,
    )


@bp.get("/ledger/<uuid:entry_id>")
@staff_may(MAY_SEE)
def voucher(entry_id: UUID) -> ResponseReturnValue:
    """Show one voucher with its debits and credits, what it reverses and what reverses it."""
    entry = books.entry(entry_id)
    return render_template(
        "reports/voucher.html",
        entry=entry,
        accounts={account.code: account for account in books.accounts()},
        funds={fund.id: fund for fund in funds.list_funds()},
        reverses=books.entry(entry.reverses_id) if entry.reverses_id else None,
        reversed_by=books.find_reversal(entry.id),
        booked_by=words.booked_by(entry.actor),
    )


@bp.get("/finance/bank")
@staff_may(MAY_POST)
def bank() -> ResponseReturnValue:
    """List lines of bank statements that wait for their entry, or those that have it."""
    if "booked" in request.args:
        return render_template("reports/bank_booked.html", booked=statements.booked())
    settings: Settings = current_app.extensions["settings"]
    return _bank_page(StatementForm(formdata=None, account=settings.bank_account_number))


@bp.post("/finance/bank/<uuid:line_id>")
@staff_may(MAY_POST)
def book_line(line_id: UUID) -> ResponseReturnValue:
    """Book a line as a payout, a gift, the bank's own charge or interest, or tie it to its voucher."""
    chosen, entry_id = request.form.get("as", ""), _uuid(request.form.get("entry"))
    ways = (*words.PAID_OUT_BY, *words.DEPOSITS, *OTHER_WAYS, "voucher", "gift", "refund")
    is_known = chosen in ways
    if not is_known or (chosen == "voucher") != (entry_id is not None):
        raise Invalid
    try:
        with transaction():
            line = statements.get(line_id)
            if entry_id is not None:
                bank_booking.link(line, entry_id, current_user.id)
            elif chosen == "gift":
                transfers.confirm(line_id, _order(), current_user.id)
            elif chosen == "refund":
                refund_id = _uuid(request.form.get("refund"))
                transfer_refunds.book(line_id, refund_id or line_id, current_user.id)
            else:
                _book_as(line, chosen)
        flash(_("The line is booked."), "ok")
    except DomainError as refused:
        flash(str(refused.message), "error")
    return redirect(url_for(".bank"), 303)


@bp.route("/finance/fees", methods=["GET", "POST"])
@staff_may(MAY_POST)
def fee() -> ResponseReturnValue:
    """Book what a platform or provider kept, from its settlement; the fund that took the gifts bears it."""
    form = FeeForm(data=None if request.method == "POST" else {"kept_on": clock.today()})
    form.fund.choices = [(str(fund.id), pick(fund.name)) for fund in funds.list_funds()]
    status = UNPROCESSABLE
    if form.validate_on_submit():
        try:
            with transaction():
                entry_id = fees.record_fee(
                    UUID(form.fund.data),
                    form.provider.data,
                    form.money(),
                    form.reference.data or "",
                    form.at(),
                    current_user.id,
                )
            flash(_("The fee is booked."), "ok")
            return redirect(url_for(".voucher", entry_id=entry_id), 303)
        except DomainError as refused:
            form.amount.errors = [str(refused.message)]
            status = int(refused.status)
    page = render_template("reports/fee.html", form=form, balances=_waiting_balances())
    return page, status if request.method == "POST" else 200


@bp.get("/exports/ledger.csv")
@staff_may(MAY_SEE)
def ledger_csv() -> ResponseReturnValue:
    """Send every line of every voucher, or of a month's."""
    return _download("ledger", exports.ledger(request.args.get("period")))


@bp.get("/exports/vouchers.csv")
@staff_may(MAY_SEE)
def vouchers_csv() -> ResponseReturnValue:
    """Send one row per voucher."""
    return _download("vouchers", exports.vouchers(request.args.get("period")))


@bp.get("/exports/trial-balance.csv")
@staff_may(MAY_SEE)
def trial_balance_csv() -> ResponseReturnValue:
    """Send every account with its balance."""
    return _download("trial-balance", exports.trial_balance())


@bp.get("/exports/gifts.csv")
@staff_may(MAY_SEE_GIFTS)
def gifts_csv() -> ResponseReturnValue:
    """Send the paid gifts of all campaigns or of one."""
    return _download("gifts", exports.gifts(request.args.get("campaign")))


# ---------------------------------------------------------------------- inside


def _book_as(line: BankLine, chosen: str) -> None:
    if chosen in OTHER_WAYS:
        OTHER_WAYS[chosen](line, current_user.id)
    elif chosen in words.DEPOSITS:
        bank_booking.match_deposit(line, chosen, current_user.id)
    else:
        bank_booking.match_payout(line, chosen, current_user.id)


def _channels() -> list[str]:
    """Return every channel whose money waits for the bank statement."""
    return [*words.PAID_OUT_BY, *platforms.names()]


def _order() -> UUID:
    """Return the transfer that was chosen, or whose code or order number was written."""
    chosen = _uuid(request.form.get("attempt"))
    return chosen or transfers.find_order(request.form.get("number", "")[:64])


def _bank_page(form: StatementForm) -> str:
    lines = statements.unmatched()
    return render_template(
        "reports/bank.html",
        form=form,
        lines=lines,
        candidates=statements.candidates(lines),
        balances={name: books.balance(chart.clearing(name)) for name in _channels()},
        platforms=platforms.names(),
        suggestions=transfers.suggest(lines),
        sent_back=transfer_refunds.suggest(lines),
        mappings=statement_import.mappings(),
        largest_charge=bank_charges.LARGEST_CHARGE.minor,
        deposits={name: books.balance(chart.clearing(name)) for name in words.DEPOSITS},
    )


def _waiting_balances() -> dict[str, Money]:
    return {name: books.balance(chart.clearing(name)) for name in words.PAID_OUT_BY}


def _download(name: str, export: Export) -> Response:
    mark = f"-{words.DEMO_MARK}" if queries.has_demo() else ""
    response = Response(iter(export), mimetype="text/csv")
    response.call_on_close(export.close)
    plain, full = (quote(f"{name}-{clock.today():%Y%m%d}{m}.csv") for m in ("", mark))
    response.headers["Content-Disposition"] = (
        f"attachment; filename={plain}; filename*=UTF-8''{full}"
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Invalid from None


def _lines_card() -> Card:
    return Card(_l("Bank lines without a voucher"), statements.count_unmatched(), "reports.bank")


nav.register_card(MAY_POST, _lines_card)


def _figures() -> list[Figure]:
    """Return where the money lies, and when the books were proved last."""
    here, days = url_for("reports.finance"), url_for("money_desk.days")
    on_the_way = [chart.clearing(name) for name in (*_channels(), *words.DEPOSITS)]
    held = (chart.SUSPENSE, chart.UNAPPLIED)
    proved = audit_queries.heartbeats().get("books")
    return [
        Figure(_("In the bank"), _sum([chart.BANK]), here),
        Figure(_("On its way to the bank"), _sum(on_the_way), days),
        Figure(_("Received, not yet placed"), _sum(held, sign=-1), days),
        Figure(_("Books last proved"), at_minute(proved) if proved else "–", here),
    ]


def _sum(accounts: Iterable[str], sign: int = 1) -> str:
    return fen(sign * sum(books.balance(account).minor for account in accounts))


nav.register_figures(MAY_SEE, figures=_figures)
