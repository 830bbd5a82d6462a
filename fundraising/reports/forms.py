"""Forms of the finance pages."""

from datetime import datetime, time

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import DateField, SelectField, StringField
from wtforms.validators import InputRequired, Regexp, ValidationError

from fundraising import clock
from fundraising.campaigns.forms import NEEDED, AmountField, strip
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money
from fundraising.reports import words

NOON = time(12, 0)


class StatementForm(FlaskForm):
    """A bank's statement and the account it is of."""

    account = StringField(_l("Bank account number"), [InputRequired(_l("Please fill this in."))])
    file = FileField(_l("Statement (CSV or camt.053)"), [FileRequired(_l("Choose a file first."))])


class FeeForm(FlaskForm):
    """What a platform or provider kept of the gifts of one campaign."""

    provider = SelectField(_l("Who kept it"), choices=list(words.PAID_OUT_BY.items()))
    fund = SelectField(_l("Fund that bears it"), [NEEDED])
    amount = AmountField(_l("Fee (yuan)"))
    kept_on = DateField(_l("Day of the settlement"), [NEEDED])
    reference = StringField(
        _l("Number of the settlement"),
        [NEEDED, Regexp(r"^[0-9A-Za-z_-]{1,60}$", message=_l("Digits and letters, at most 60."))],
        filters=[strip],
    )

    def validate_kept_on(self, field: DateField) -> None:
        """A fee is booked after it was kept."""
        if field.data and field.data > clock.today():
            raise ValidationError(_l("This date lies in the future."))

    def money(self) -> Money:
        """Return the amount; call only after validation."""
        return Money(self.amount.minor or 0)

    def at(self) -> datetime:
        """Return the instant it is booked under: now, or that day's noon; call only after validation."""
        day = self.kept_on.data
        return clock.now() if day == clock.today() else datetime.combine(day, NOON, clock.SHANGHAI)
