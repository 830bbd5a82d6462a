"""The desk of matching: pledges, what matchers owe, gifts that were not matched."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange, ValidationError

from fundraising import clock
from fundraising.access import staff_may
from fundraising.accounts import nav
from fundraising.accounts.nav import Card
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.forms import NEEDED, AmountField, strip
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.giving.matching import queries, service
from fundraising.giving.matching.models import ALL_ROADS, Road
from fundraising.giving.matching.service import NewPledge
from fundraising.i18n import gettext as _
from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.money import Money, MoneyError
from fundraising.payments import statements
from fundraising.twins import SentTwice

bp = Blueprint("matching", __name__, url_prefix="/staff/matching")
POST, SEE = "finance.post", "finance.view"
WHOLE = InputRequired(_l("A whole number, please."))
UP_TO = NumberRange(1, 100, _l("Between 1 and 100."))


ROADS = {
    Road.ONLINE: _l("Paid online here"),
    Road.BANK: _l("Bank transfers"),
    Road.CASH: _l("Cash"),
    Road.CHEQUE: _l("Cheques"),
    Road.PLATFORM: _l("Other platforms"),
}


@bp.app_template_global("road_names")
def road_names(roads: list[str]) -> str:
    """Return the names of some roads, in the reader's language."""
    return str(_l(", ")).join(str(ROADS[Road(road)]) for road in roads)


class PledgeForm(FlaskForm):
    """A pledge: who, for which campaign, by which rule."""

    campaign = SelectField(_l("Campaign"), [NEEDED])
    matcher = StringField(_l("Matcher"), [NEEDED, Length(max=80)], filters=[strip])
    is_named = BooleanField(_l("The matcher agrees to be named in public"))
    adds = IntegerField(_l("Adds (yuan)"), [WHOLE, UP_TO], default=1)
    per = IntegerField(_l("for every (yuan given)"), [WHOLE, UP_TO], default=1)
    pool = AmountField(_l("Pool (yuan)"))
    gift_cap = StringField(
        _l("At most for one gift (yuan, empty: no limit)"),
        filters=[strip],
        render_kw={"inputmode": "decimal"},
    )
    most_a_day = IntegerField(
        _l("Matched gifts of one donor in a day, at most"), [WHOLE, UP_TO], default=5
    )
    roads = SelectMultipleField(
        _l("Gifts that count"),
        [InputRequired(_l("Choose at least one."))],
        choices=[(road.value, label) for road, label in ROADS.items()],
        default=ALL_ROADS,
    )
    starts_on = DateField(_l("First day"), [NEEDED])
    ends_on = DateField(_l("Last day"), [NEEDED])

    def validate_gift_cap(self, field: StringField) -> None:
        """An amount above nothing, or none."""
        try:
            is_wrong = bool(field.data) and Money.parse_yuan(field.data).minor <= 0
        except MoneyError:
            is_wrong = True
        if is_wrong:
            raise ValidationError(
                _l("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
            )

    def pledge(self) -> NewPledge:
        """Return what was entered; call only after validation."""
        begin = datetime.combine(self.starts_on.data, time(), clock.SHANGHAI)
        over = datetime.combine(self.ends_on.data + timedelta(days=1), time(), clock.SHANGHAI)
        return NewPledge(
            UUID(self.campaign.data),
            self.matcher.data,
            self.adds.data,
            self.per.data,
            Money(self.pool.minor or 0),
            begin,
            over,
            Money.parse_yuan(self.gift_cap.data) if self.gift_cap.data else None,
            self.most_a_day.data,
            is_named=self.is_named.data,
            roads=[Road(road) for road in self.roads.data],
        )


@bp.get("/")
@staff_may(POST, SEE)
def index() -> ResponseReturnValue:
    """List pledges with what they have matched, what is owed, and what was not matched."""
    lines = [line for line in statements.unmatched() if line.amount_fen > 0]
    return render_template(
        "matching/index.html",
        pledges=queries.pledges(),
        titles={c.id: c.title for c in campaigns.list_all()},
        lines=lines,
        due=queries.due(),
        unmatched=queries.unmatched(),
    )


@bp.route("/new", methods=["GET", "POST"])
@staff_may(POST)
def new() -> ResponseReturnValue:
    """Write a pledge down for another person to approve."""
    form = PledgeForm()
    form.campaign.choices = [(str(c.id), pick(c.title)) for c in campaigns.list_all()]
    if not form.validate_on_submit():
        return render_template("matching/new.html", form=form), 422 if form.is_submitted() else 200
    try:
        with transaction():
            service.write(form.pledge(), current_user.id)
    except SentTwice as twice:
        flash(str(twice.message), "wait")
        return redirect(url_for(".index"), 303)
    except DomainError as refused:
        form.ends_on.errors = [str(refused.message)]
        return render_template("matching/new.html", form=form), 422
    flash(_("Kept. It matches once another person has approved it."), "ok")
    return redirect(url_for(".index"), 303)


@bp.post("/<uuid:pledge_id>/approve")
@staff_may(POST)
def approve(pledge_id: UUID) -> ResponseReturnValue:
    """Approve a pledge as the second person."""
    return _step(lambda: service.approve(pledge_id, current_user.id), _("The pledge matches now."))


@bp.post("/<uuid:pledge_id>/end")
@staff_may(POST)
def end(pledge_id: UUID) -> ResponseReturnValue:
    """End a pledge."""
    return _step(lambda: service.end(pledge_id, current_user.id), _("The pledge has ended."))


@bp.post("/<uuid:pledge_id>/pay")
@staff_may(POST)
def pay(pledge_id: UUID) -> ResponseReturnValue:
    """Book the matcher's money by a line of the bank."""
    line_id = UUID(request.form["line"])
    return _step(
        lambda: service.pay(pledge_id, statements.get(line_id), current_user.id),
        _("The line is booked."),
    )


@bp.post("/matches/<uuid:match_id>/void")
@staff_may(POST)
def void_due(match_id: UUID) -> ResponseReturnValue:
    """Void a match that was left due."""
    return _step(lambda: service.void_due(match_id, current_user.id), _("The match is taken back."))


def _step(step: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        with transaction():
            step()
        flash(done, "ok")
    except DomainError as refused:
        flash(str(refused.message), "error")
    return redirect(url_for(".index"), 303)


def _waiting_card() -> Card:
    return Card(_l("Matching to decide on"), queries.waiting(), "matching.index")


nav.register_card(POST, _waiting_card)
