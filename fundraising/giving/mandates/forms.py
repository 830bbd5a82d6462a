"""What a donor changes of a monthly gift, and the address to find it again."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from fundraising.campaigns.models import Campaign
from fundraising.errors import DomainError
from fundraising.giving.mandates.models import Mandate
from fundraising.i18n import fen_plain, fen_short
from fundraising.i18n import lazy_gettext as _l
from fundraising.mail.service import normal_address
from fundraising.money import Money, MoneyError


def _strip(value: str | None) -> str | None:
    return value.strip(" ") if value else value


class ChangeForm(FlaskForm):
    """Amount and day."""

    amount = StringField(
        _l("Each month (yuan)"),
        [InputRequired(_l("Please fill this in.")), Length(max=16)],
        filters=[_strip],
        render_kw={"inputmode": "decimal"},
    )
    day = SelectField(
        _l("Day of the month"), choices=[(day, str(day)) for day in range(1, 32)], coerce=int
    )

    def __init__(self, campaign: Campaign, mandate: Mandate, **kwargs: Any) -> None:
        amount = fen_plain(mandate.amount_fen).removesuffix(".00")
        super().__init__(amount=amount, day=mandate.day, **kwargs)
        self.campaign = campaign

    def money(self) -> Money:
        """Return the amount; call only after validation."""
        return Money.parse_yuan(self.amount.data)

    def validate_amount(self, field: StringField) -> None:
        """Canonical and within what the campaign takes."""
        try:
            amount = Money.parse_yuan(field.data or "")
        except MoneyError:
            raise ValidationError(
                _l("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
            ) from None
        if not self.campaign.min_fen <= amount.minor <= self.campaign.max_fen:
            raise ValidationError(
                _l(
                    "From %(min)s to %(max)s.",
                    min=fen_short(self.campaign.min_fen),
                    max=fen_short(self.campaign.max_fen),
                )
            )


class LinkForm(FlaskForm):
    """The address that letters go to."""

    email = StringField(
        _l("E-mail"), [InputRequired(_l("Please fill this in.")), Length(max=200)], filters=[_strip]
    )

    def address(self) -> str:
        """Return the address in its normal form; call only after validation."""
        return normal_address(self.email.data)

    def validate_email(self, field: StringField) -> None:
        """An address."""
        try:
            normal_address(field.data or "")
        except DomainError as refused:
            raise ValidationError(refused.message) from None
