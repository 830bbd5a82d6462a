"""The counter's desk: count, count again, papers, cheques that come back."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising import http
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts import service as accounts
from fundraising.accounts.nav import Card
from fundraising.campaigns import queries as campaigns
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.giving.counter import books, cheques, service
from fundraising.giving.counter.forms import (
    BookForm,
    BoxForm,
    ListForm,
    RecountForm,
    VoidForm,
    WhyForm,
)
from fundraising.giving.counter.models import Count, CountState, Method
from fundraising.giving.counter.service import NewCount
from fundraising.i18n import fen
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import chart
from fundraising.ledger import queries as ledger

bp = Blueprint("counter", __name__, url_prefix="/staff/counter")
COUNT, POST, SEE = "cash.count", "finance.post", "finance.view"
PAGE, UNPROCESSABLE = 50, 422


@bp.get("/")
@staff_may(COUNT, POST, SEE)
def index() -> ResponseReturnValue:
    """List counts, and what lies in the box and at the bank for collection."""
    found = service.list_counts(PAGE + 1, http.number("before"))
    shown = found[:PAGE]
    older = url_for(".index", before=shown[-1].number) if len(found) > PAGE else ""
    return render_template(
        "counter/index.html",
        counts=shown,
        older=older,
        titles={one.id: one.title for one in campaigns.list_all()},
        is_seen=_is_seen,
        balances={method: ledger.balance(chart.clearing(method)).minor for method in Method},
        bounces=cheques.bounces_waiting(),
        has_books=bool(books.list_books(1)),
    )


@bp.route("/new", methods=["GET", "POST"])
@staff_may(COUNT)
def new() -> ResponseReturnValue:
    """Write down a first count: of a box, or of a list of gifts."""
    form = ListForm() if request.args.get("kind") == "list" else BoxForm()
    form.offer(campaigns.list_all(), books.list_books())
    if request.method == "GET":
        return _new_page(form)
    if "more" in request.form and isinstance(form, ListForm):
        form.add_rows()
        return _new_page(form)
    if not form.validate():
        return _new_page(form, UNPROCESSABLE)
    counted = NewCount(
        campaigns.get(form.campaign.data),
        form.book_id(),
        form.place.data or "",
        form.pieces(),
        form.gifts(),
    )
    try:
        with transaction():
            count = service.record(counted, current_user.id)
    except DomainError as refused:
        return _new_page(form, int(refused.status), refused=_why(refused))
    flash(_("Kept. Another person counts again; then it is booked."), "ok")
    return redirect(url_for(".show", count_id=count.id), 303)


@bp.get("/<uuid:count_id>")
@staff_may(COUNT, POST, SEE)
def show(count_id: UUID) -> ResponseReturnValue:
    """Show a count; who counts sees the other's figures only when both agree."""
    return _page(service.get(count_id))


@bp.post("/<uuid:count_id>/recount")
@staff_may(COUNT)
def recount(count_id: UUID) -> ResponseReturnValue:
    """Take the second count; equal counts are booked."""
    count, form = service.get(count_id), RecountForm()
    if not form.validate():
        return _page(count, UNPROCESSABLE, form=form)
    try:
        with transaction():
            count = service.recount(count_id, form.pieces(), form.cheque_sum(), current_user.id)
    except DomainError as refused:
        return _page(service.get(count_id), int(refused.status), refused=_why(refused))
    if count.state == CountState.DIFFERS:
        return _page(count, UNPROCESSABLE, form=form)
    flash(_("Both counts agree. The gifts are booked."), "ok")
    return redirect(url_for(".show", count_id=count_id), 303)


@bp.post("/<uuid:count_id>/withdraw")
@staff_may(COUNT)
def withdraw(count_id: UUID) -> ResponseReturnValue:
    """Take back a count that is not booked."""
    return _step(
        url_for(".show", count_id=count_id),
        lambda: service.withdraw(count_id, request.form.get("reason", ""), current_user.id),
        _("Withdrawn. Its papers are open again."),
    )


@bp.post("/cheques/<uuid:line_id>/bounce")
@staff_may(POST)
def bounce(line_id: UUID) -> ResponseReturnValue:
    """Say that a cheque bounced, or decide on it as the second person."""
    if "decide" in request.form:
        return _step(
            url_for(".index"),
            lambda: cheques.bounce(line_id, current_user.id),
            _("The gift is reversed, with its reason."),
        )
    return _step(
        url_for(".index"),
        lambda: cheques.ask_bounce(line_id, request.form.get("reason", ""), current_user.id),
        _("Noted. Another person decides on it."),
    )


@bp.route("/books", endpoint="books", methods=["GET", "POST"])
@staff_may(COUNT)
def books_page() -> ResponseReturnValue:
    """List books of paper receipts, and note a new one."""
    form = BookForm()
    if request.method == "GET":
        return _books_page(form)
    if not form.validate():
        return _books_page(form, UNPROCESSABLE)
    try:
        with transaction():
            books.open_book(
                (form.code.data or "").upper(), form.first.data, form.last.data, current_user.id
            )
    except DomainError as refused:
        form.code.errors = [str(refused.message)]
        return _books_page(form, UNPROCESSABLE)
    flash(_("The book is noted."), "ok")
    return redirect(url_for(".books"), 303)


@bp.get("/books/<uuid:book_id>")
@staff_may(COUNT, SEE)
def book(book_id: UUID) -> ResponseReturnValue:
    """Show every paper of a book."""
    return render_template(
        "counter/book.html",
        book=books.get(book_id),
        slips=books.slips(book_id),
        form=VoidForm(formdata=None),
    )


@bp.post("/books/<uuid:book_id>/void")
@staff_may(COUNT)
def void(book_id: UUID) -> ResponseReturnValue:
    """Make a spoilt paper void, with its reason."""
    number = request.form.get("number", 0, type=int)
    return _step(
        url_for(".book", book_id=book_id),
        lambda: books.void(book_id, number, request.form.get("reason", ""), current_user.id),
        _("The paper is void."),
    )


# ---------------------------------------------------------------------- inside


def _step(back: str, step: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        with transaction():
            step()
        flash(done, "ok")
    except DomainError as refused:
        flash(_why(refused), "error")
    return redirect(back, 303)


def _why(refused: DomainError) -> str:
    """Return what was refused, with the figures that say why."""
    more, text = refused.extra, refused.message
    if "counted_fen" in more:
        text = _(
            "Counted %(counted)s in notes and coins, but the cash gifts on the list are %(listed)s.",
            counted=fen(more["counted_fen"]),
            listed=fen(more["listed_fen"]),
        )
    elif "next" in more:
        text = _(
            "Paper %(number)s cannot be used now. The next paper of this book is %(next)s; "
            "a spoilt one is made void with its reason.",
            number=more["number"],
            next=more["next"],
        )
    return str(text)


def _new_page(form: BoxForm | ListForm, status: int = 200, *, refused: str = "") -> tuple[str, int]:
    return render_template("counter/new.html", form=form, refused=refused), status


def _is_seen(count: Count, counter_id: UUID | None) -> bool:
    """Whether the reader may know what that person counted.

    Until both agree whoever may count knows their own figures only, also of a count that was withdrawn:
    a second count made to fit the first would prove nothing.
    """
    is_own = counter_id == current_user.id
    return is_own or count.state == CountState.BOOKED or not current_user.may(COUNT)


def _page(
    count: Count, status: int = 200, *, form: RecountForm | None = None, refused: str = ""
) -> tuple[str, int]:
    listed = service.lines(count.id)
    people = {count.counted_by, count.recounted_by, *(line.bounce_asked_by for line in listed)}
    page = render_template(
        "counter/show.html",
        count=count,
        lines=listed,
        donors={line.id: service.name_of(line) for line in listed},
        codes={book.id: book.code for book in books.list_books()},
        campaign=campaigns.get_by_id(count.campaign_id),
        is_first_seen=_is_seen(count, count.counted_by),
        is_second_seen=count.again_pieces is not None and _is_seen(count, count.recounted_by),
        values=service.PIECES,
        form=form or RecountForm(formdata=None),
        why=WhyForm(formdata=None),
        refused=refused,
        names=accounts.names_of({person for person in people if person}),
    )
    return page, status


def _books_page(form: BookForm, status: int = 200) -> tuple[str, int]:
    return render_template("counter/books.html", form=form, books=books.list_books()), status


def _waiting_card() -> Card:
    return Card(_l("Counts to count again"), service.waiting(), "counter.index", is_urgent=True)


nav.register_card(COUNT, _waiting_card)
