"""The donation form: one screen, one decision that must be made (the amount), and consent."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional, ValidationError
from wtforms.widgets import HiddenInput

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.errors import DomainError
from fundraising.giving import people
from fundraising.giving.errors import AddressNeeded, TaxNumberRefused, TextRefused
from fundraising.giving.models import PERIOD_RULES, Display, ReceiptRule
from fundraising.i18n import fen_short
from fundraising.i18n import lazy_gettext as _l
from fundraising.mail.service import normal_address
from fundraising.money import Money, MoneyError
from fundraising.references import secret_token

MONTHLY = "monthly"


def _strip(value: str | None) -> str | None:
    return value.strip(" ") if value else value


class DonateForm(FlaskForm):
    """What a donor says before paying."""

    key = HiddenField(default=secret_token, validators=[Length(min=16, max=80)])
    preset = StringField()
    own_amount = StringField(_l("Another amount (yuan)"), filters=[_strip])
    often = RadioField(
        _l("How often?"),
        choices=[("once", _l("Once")), (MONTHLY, _l("Every month"))],
        default="once",
        validate_choice=False,
    )
    day = SelectField(
        _l("Day of the month"),
        choices=[(str(day), str(day)) for day in range(1, 32)],
        default=lambda: str(clock.today().day),
        validate_choice=False,
    )
    display = RadioField(
        _l("How shall we name you in public?"),
        choices=[
            (Display.ANONYMOUS.value, _l("Anonymous")),
            (Display.MASKED.value, _l("Partly hidden")),
            (Display.FULL.value, _l("In full")),
        ],
        default=Display.ANONYMOUS.value,
    )
    name = StringField(_l("Name"), filters=[_strip])
    message = TextAreaField(
        _l("A few words (shown after somebody has read them)"), filters=[_strip]
    )
    email = StringField(_l("E-mail (for your receipt; not needed)"), filters=[_strip])
    receipt_rule = RadioField(
        _l("When would you like our receipt confirmation?"),
        choices=[
            (ReceiptRule.AT_ONCE.value, _l("At once")),
            (ReceiptRule.MONTHLY.value, _l("One for each month")),
            (ReceiptRule.YEARLY.value, _l("One for each year")),
            (ReceiptRule.ON_REQUEST.value, _l("Only when I ask for it")),
        ],
        default=ReceiptRule.AT_ONCE.value,
        validate_choice=False,
    )
    fiscal = RadioField(
        _l("Fiscal receipt (公益事业捐赠统一票据)"),
        choices=[("no", _l("I do not need one")), ("yes", _l("Please issue one"))],
        default="no",
    )
    product = RadioField(_l("How would you like to give?"), validate_choice=False)
    payer_name = StringField(_l("Name on the fiscal receipt"), filters=[_strip])
    payer_tax_no = StringField(_l("Tax number (organisations only)"), filters=[_strip])
    consent = BooleanField(
        _l("I have read what this campaign is for and how my data is used."),
        validators=[InputRequired(_l("Please agree before you give."))],
    )

    def __init__(self, campaign: Campaign, *, may_repeat: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.campaign, self.may_repeat = campaign, may_repeat

    @property
    def is_monthly(self) -> bool:
        """Whether a gift each month was chosen, where that is offered."""
        return self.may_repeat and self.often.data == MONTHLY

    @property
    def amount(self) -> Money | None:
        """The amount typed or chosen, None when it is none."""
        try:
            return Money.parse_yuan(self.own_amount.data or self.preset.data or "")
        except MoneyError:
            return None

    @property
    def rule(self) -> ReceiptRule:
        """The receipt wanted; at once when none was chosen."""
        asked = self.receipt_rule.data
        return ReceiptRule(asked) if asked in set(ReceiptRule) else ReceiptRule.AT_ONCE

    def validate_payer_name(self, field: StringField) -> None:
        """A payer is needed where a fiscal receipt is wanted."""
        if self.fiscal.data != "yes":
            field.data = ""
            return
        try:
            if not people.clean(field.data or "", people.MAX_PAYER):
                raise ValidationError(
                    _l("Write the payer's name as the fiscal receipt should show it.")
                )
        except TextRefused:
            raise ValidationError(_l("Please leave out links and unusual characters.")) from None

    def validate_payer_tax_no(self, field: StringField) -> None:
        """A number of the tax office, for organisations."""
        if self.fiscal.data != "yes":
            field.data = ""
            return
        try:
            field.data = people.tax_number(field.data or "")
        except TaxNumberRefused as refused:
            raise ValidationError(refused.message) from None

    def validate_own_amount(self, field: StringField) -> None:
        """An amount is needed, canonical and within what the campaign takes."""
        if not (field.data or self.preset.data):
            raise ValidationError(_l("Choose or write an amount."))
        amount = self.amount
        if amount is None:
            raise ValidationError(
                _l("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
            )
        if amount.minor < self.campaign.min_fen:
            raise ValidationError(
                _l("The smallest gift is %(amount)s.", amount=fen_short(self.campaign.min_fen))
            )
        if amount.minor > self.campaign.max_fen:
            raise ValidationError(
                _l(
                    "The largest gift here is %(amount)s. For more, please write to us.",
                    amount=fen_short(self.campaign.max_fen),
                )
            )

    def validate_name(self, field: StringField) -> None:
        """A name is needed only where it is to be shown."""
        try:
            name = people.clean(field.data or "", people.MAX_NAME)
        except TextRefused:
            raise ValidationError(_l("Please leave out links and unusual characters.")) from None
        if not name and self.display.data != Display.ANONYMOUS:
            raise ValidationError(
                _l("Please write the name to be shown, or choose to stay anonymous.")
            )

    def validate_message(self, field: StringField) -> None:
        """Up to sixty characters, no links."""
        try:
            people.clean_message(field.data or "")
        except TextRefused:
            raise ValidationError(
                _l("At most 60 characters, without links or unusual characters.")
            ) from None

    def validate_email(self, field: StringField) -> None:
        """An address, when one is given."""
        try:
            if field.data:
                normal_address(field.data)
        except DomainError as refused:
            raise ValidationError(refused.message) from None
        if not field.data and self.is_monthly:
            raise ValidationError(
                _l("We write to you before each monthly gift. Please write your e-mail address.")
            )
        if not field.data and self.rule in PERIOD_RULES:
            raise ValidationError(AddressNeeded.message)

    def validate_day(self, field: SelectField) -> None:
        """A day of the month, where the gift is monthly."""
        if self.is_monthly and field.data not in dict(field.choices):
            raise ValidationError(_l("Choose a day from 1 to 31."))


class FindForm(FlaskForm):
    """A number from the payer's bill, and where to send a code."""

    number = StringField(
        _l("Number from your bill"),
        [InputRequired(_l("Please fill this in.")), Length(max=64)],
        filters=[_strip],
    )
    amount = StringField(
        _l("Amount of the gift (yuan)"),
        [InputRequired(_l("Please fill this in."))],
        filters=[_strip],
    )
    email = StringField(
        _l("E-mail"), [InputRequired(_l("Please fill this in.")), Length(max=200)], filters=[_strip]
    )

    def validate_amount(self, field: StringField) -> None:
        """An amount in its usual form."""
        try:
            Money.parse_yuan(field.data or "")
        except MoneyError:
            raise ValidationError(
                _l("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
            ) from None

    def validate_email(self, field: StringField) -> None:
        """An address."""
        try:
            normal_address(field.data or "")
        except DomainError as refused:
            raise ValidationError(refused.message) from None


class CodeForm(FlaskForm):
    """The six digits that were sent."""

    code = StringField(
        _l("Six digits from the letter"),
        [InputRequired(_l("Please fill this in.")), Length(max=12)],
    )


class DisplayForm(FlaskForm):
    """How to be named from now on."""

    display = RadioField(
        _l("How shall we name you in public?"),
        choices=[
            (Display.ANONYMOUS.value, _l("Anonymous")),
            (Display.MASKED.value, _l("Partly hidden")),
            (Display.FULL.value, _l("In full")),
        ],
    )
    name = StringField(_l("Name"))


class RefundForm(FlaskForm):
    """Money to go back to where it came from, and why."""

    amount = StringField(_l("Amount in yuan"), [InputRequired(_l("Please fill this in."))])
    reason = StringField(
        _l("Why"), [InputRequired(_l("Write why the money goes back.")), Length(max=80)]
    )
    seen = IntegerField(widget=HiddenInput(), validators=[Optional()])
