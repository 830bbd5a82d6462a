"""Staff pages of platforms: register one, see what it still owes, close its lump sum from the bank."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising.access import staff_may
from fundraising.accounts import service as accounts
from fundraising.campaigns import queries as campaigns
from fundraising.database import Text2, transaction
from fundraising.errors import DomainError, Invalid
from fundraising.giving import import_batches, platform_payouts
from fundraising.giving.import_forms import PlatformForm
from fundraising.giving.platform_payouts import Proposal
from fundraising.i18n import fen, fen_plain
from fundraising.i18n import gettext as _
from fundraising.ledger import chart
from fundraising.ledger import queries as books
from fundraising.money import Money, MoneyError
from fundraising.payments.platforms import queries as platforms
from fundraising.payments.platforms import service as registry
from fundraising.payments.platforms.mapping import FIELDS

bp = Blueprint("platforms", __name__, url_prefix="/staff/platforms")
UNPROCESSABLE = 422


@bp.route("", methods=["GET", "POST"])
@staff_may("finance.post")
def index() -> ResponseReturnValue:
    """List platforms with what waits at each; register another."""
    form = PlatformForm()
    if request.method == "GET":
        return _index(form)
    if not form.validate():
        return _index(form), UNPROCESSABLE
    name: Text2 = {"zh": form.name_zh.data or ""}
    if form.name_en.data:
        name["en"] = form.name_en.data
    try:
        with transaction():
            registry.register(form.code.data or "", name, current_user.id)
    except DomainError as refused:
        form.code.errors = [str(refused.message)]
        return _index(form), UNPROCESSABLE
    return redirect(url_for(".show", code=form.code.data), 303)


@bp.get("/<code>")
@staff_may("finance.post")
def show(code: str) -> ResponseReturnValue:
    """Show a platform: what waits in which import, what was closed by which bank line, its mappings."""
    platform = platforms.get(code)
    closed, saved = platform_payouts.payouts(code), platforms.versions(code)
    people = {p.payout.closed_by for p in closed} | {s.saved_by for s in saved}
    return render_template(
        "giving/platform_show.html",
        platform=platform,
        account=chart.clearing(code),
        balance=books.balance(chart.clearing(code)),
        waiting=platform_payouts.waiting(code),
        waiting_fen=platform_payouts.waiting_fen().get(code, 0),
        batches={batch.id: batch for batch in import_batches.latest(200, code)},
        closed=closed,
        saved=saved,
        mapping=platforms.mapping(code),
        fields=FIELDS,
        names=accounts.names_of({person for person in people if person}),
    )


@bp.get("/<code>/settle")
@staff_may("finance.post")
def settle(code: str) -> ResponseReturnValue:
    """Choose a bank line and the imports it pays; see gifts less fee against the line."""
    line_id, import_ids = _uuid(request.args.get("line")), _uuids(request.args.getlist("import"))
    proposal, problem = None, ""
    try:
        fee = _money(request.args.get("fee", ""))
        if line_id and import_ids:
            proposal = platform_payouts.propose(code, line_id, import_ids, fee)
        elif request.args.get("asked"):
            problem = str(platform_payouts.NothingChosen.message)
    except Invalid as refused:
        problem = str(refused.message)
    return _settle_page(code, line_id, import_ids, proposal, problem)


@bp.post("/<code>/settle")
@staff_may("finance.post")
def close(code: str) -> ResponseReturnValue:
    """Close the bank line: fee with its own voucher, payout, and what was closed of each import."""
    line_id, import_ids = _uuid(request.form.get("line")), _uuids(request.form.getlist("import"))
    fee = _money(request.form.get("fee", ""))
    if line_id is None or fee is None:
        raise platform_payouts.NothingChosen
    try:
        with transaction():
            platform_payouts.close(
                code,
                line_id,
                import_ids,
                fee,
                current_user.id,
                is_partial=request.form.get("rest") == "waits",
            )
    except DomainError as refused:
        flash(f"{refused.message} {refused.extra.get('difference', '')}".strip(), "error")
        return redirect(url_for(".settle", code=code, line=line_id), 303)
    left = platform_payouts.waiting_fen().get(code, 0)
    if left:
        flash(
            _("The bank line is closed. %(amount)s still waits at the platform.", amount=fen(left)),
            "ok",
        )
    else:
        flash(_("The bank line is closed; nothing waits at the platform any more."), "ok")
    return redirect(url_for(".show", code=code), 303)


# ---------------------------------------------------------------------- inside


def _index(form: PlatformForm) -> str:
    found = platforms.list_platforms()
    return render_template(
        "giving/platform_index.html",
        form=form,
        platforms=found,
        accounts={p.code: chart.clearing(p.code) for p in found},
        waiting=platform_payouts.waiting_fen(),
    )


def _settle_page(
    code: str, line_id: UUID | None, import_ids: list[UUID], proposal: Proposal | None, problem: str
) -> str:
    return render_template(
        "giving/platform_settle.html",
        platform=platforms.get(code),
        lines=platform_payouts.lines_for(code),
        waiting=platform_payouts.waiting(code),
        titles={c.id: c.title for c in campaigns.list_all()},
        chosen_line=line_id,
        chosen=set(import_ids),
        proposal=proposal,
        problem=problem,
        fee=fen_plain(proposal.fee_fen) if proposal else request.args.get("fee", ""),
    )


def _money(written: str) -> Money | None:
    """Return an amount a person wrote, None for nothing. Raises Invalid."""
    plain = written.strip().replace(",", "").lstrip("¥￥")
    try:
        return Money.parse_yuan(plain) if plain else None
    except MoneyError:
        raise Invalid(
            _("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
        ) from None


def _uuids(written: list[str]) -> list[UUID]:
    return [found for text in written if (found := _uuid(text))]


def _uuid(written: str | None) -> UUID | None:
    try:
        return UUID(written) if written else None
    except ValueError:
        raise Invalid from None
