"""Forms of training sessions."""

from collections.abc import Iterable

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import DateField, HiddenField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from fundraising import clock
from fundraising.campaigns.forms import NEEDED, both, strip
from fundraising.campaigns.models import Campaign
from fundraising.database import Text2
from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.money import Money, MoneyError
from fundraising.programmes.service import Cost

MOST_PEOPLE = 5000


def _not_future(_form: FlaskForm, field: DateField) -> None:
    if field.data and field.data > clock.today():
        raise ValidationError(_l("This date lies in the future."))


class SessionForm(FlaskForm):
    """A session that was held, and what it cost."""

    campaign = SelectField(_l("Campaign"), [NEEDED])
    title_zh = StringField(_l("Title (Chinese)"), [NEEDED, Length(max=80)], filters=[strip])
    title_en = StringField(_l("Title (English)"), [Length(max=160)], filters=[strip])
    place_zh = StringField(_l("Place (Chinese)"), [NEEDED, Length(max=80)], filters=[strip])
    place_en = StringField(_l("Place (English)"), [Length(max=160)], filters=[strip])
    held_on = DateField(_l("Day"), [NEEDED, _not_future])
    people_trained = IntegerField(
        _l("People trained"),
        [
            InputRequired(_l("A whole number, please.")),
            NumberRange(1, MOST_PEOPLE, _l("Between 1 and 5,000 people.")),
        ],
        render_kw={"inputmode": "numeric"},
    )
    instructor = StringField(_l("Teaching team"), [Length(max=80)], filters=[strip])
    evidence = FileField(_l("Signed sheet (PDF or picture)"))
    cost = StringField(
        _l("Cost (yuan)"), [Optional()], filters=[strip], render_kw={"inputmode": "decimal"}
    )
    paid_on = DateField(_l("Day of the transfer"), [Optional(), _not_future])
    bank_reference = StringField(_l("Reference of the bank"), [Length(max=60)], filters=[strip])

    def offer(self, campaigns: Iterable[Campaign]) -> "SessionForm":
        """Fill the list to choose from."""
        self.campaign.choices = [(one.slug, pick(one.title)) for one in campaigns]
        return self

    def validate_cost(self, field: StringField) -> None:
        """An amount in yuan, more than nothing, with its transfer."""
        try:
            minor = Money.parse_yuan(field.data or "").minor
        except MoneyError:
            minor = 0
        if minor <= 0:
            raise ValidationError(
                _l("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
            )
        if not self.paid_on.data or not self.bank_reference.data:
            raise ValidationError(
                _l("A cost needs the day of its transfer and the bank's reference.")
            )

    def title(self) -> Text2:
        """Return the title in the languages it was written in."""
        return both(self.title_zh, self.title_en)

    def place(self) -> Text2:
        """Return the place in the languages it was written in."""
        return both(self.place_zh, self.place_en)

    def spent(self) -> Cost | None:
        """Return the cost, None when there was none; call only after validation."""
        if not self.cost.data:
            return None
        return Cost(
            Money.parse_yuan(self.cost.data), self.paid_on.data, self.bank_reference.data or ""
        )


class WithdrawForm(FlaskForm):
    """Why a session is taken back."""

    reason = TextAreaField(_l("Reason"), [NEEDED, Length(max=300)], filters=[strip])
    version = HiddenField()
