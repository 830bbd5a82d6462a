"""Forms of the store."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import DateField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from fundraising import clock
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.forms import NEEDED, both, strip
from fundraising.giving.models import Display
from fundraising.goods import queries
from fundraising.goods.models import Basis, Condition
from fundraising.goods.receiving import NewItem, Paper
from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.money import Money, MoneyError

NEW = "new"
BASES = (
    (Basis.NONE, _l("No basis: no value, no amount on a receipt")),
    (Basis.INVOICE, _l("Invoice")),
    (Basis.MARKET_PRICE, _l("Market price")),
    (Basis.APPRAISAL, _l("Appraisal")),
)
CONDITIONS = (
    (Condition.NEW, _l("New, unused")),
    (Condition.GOOD, _l("In good condition")),
    (Condition.USED, _l("Used")),
)
DISPLAYS = (
    (Display.ANONYMOUS, _l("Anonymous")),
    (Display.MASKED, _l("First character only")),
    (Display.FULL, _l("Full name")),
)
FILE = _l("File (PDF, JPEG, PNG or WebP, at most 10 MB)")


PLAIN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")
"""A quantity as people write it: no sign, no exponent."""


class QuantityField(StringField):
    """A quantity with at most three decimals; ``value`` is exact."""

    value: Decimal = Decimal(0)

    def __init__(self, label: Any, **kwargs: Any) -> None:
        kwargs.setdefault("render_kw", {"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(label, [NEEDED, self._check], filters=[strip], **kwargs)

    def _check(self, _form: FlaskForm, field: "QuantityField") -> None:
        written = field.data or ""
        try:
            self.value = Decimal(written) if PLAIN.fullmatch(written) else Decimal(0)
        except InvalidOperation:
            self.value = Decimal(0)
        if self.value <= 0:
            raise ValidationError(
                _l("Write a quantity above zero, with no more decimals than its unit has.")
            )


class KindForm(FlaskForm):
    """A kind of goods and its unit."""

    name_zh = StringField(_l("Name (Chinese)"), [NEEDED, Length(max=80)], filters=[strip])
    name_en = StringField(_l("Name (English)"), [Length(max=160)], filters=[strip])
    unit_zh = StringField(_l("Unit (Chinese)"), [NEEDED, Length(max=20)], filters=[strip])
    unit_en = StringField(_l("Unit (English)"), [Length(max=40)], filters=[strip])
    decimals = IntegerField(
        _l("Decimals of a quantity"),
        [InputRequired(_l("A whole number, please.")), NumberRange(0, 3, _l("Between 0 and 3."))],
        default=0,
    )

    def name(self) -> dict[str, str]:
        """Return the name in the languages it was written in."""
        return both(self.name_zh, self.name_en)

    def unit(self) -> dict[str, str]:
        """Return the unit in the languages it was written in."""
        return both(self.unit_zh, self.unit_en)


class ReceiveForm(FlaskForm):
    """What somebody brought: one line; more lines are further donations of the same giver."""

    kind = SelectField(_l("Goods"), [NEEDED])
    quantity = QuantityField(_l("Quantity"))
    condition = SelectField(_l("Condition"), choices=list(CONDITIONS))
    expires_on = DateField(_l("Expiry date"), [Optional()])
    basis = SelectField(_l("Basis of the value"), choices=list(BASES))
    value = StringField(_l("Value (yuan)"), filters=[strip], render_kw={"inputmode": "decimal"})
    evidence = FileField(_l("Evidence of the value"))
    place = StringField(_l("Storage place"), [NEEDED, Length(max=60)], filters=[strip])
    received_on = DateField(_l("Taken in on"), [NEEDED], default=clock.today)
    name = StringField(_l("Giver (empty: anonymous)"), [Length(max=40)], filters=[strip])
    display = SelectField(_l("Shown in public as"), choices=list(DISPLAYS))
    campaign = SelectField(_l("Campaign (optional)"))

    def offer(self) -> "ReceiveForm":
        """Fill the lists to choose from."""
        self.kind.choices = [
            (str(k.id), f"{pick(k.name)} · {pick(k.unit)}") for k in queries.kinds()
        ]
        self.campaign.choices = [
            ("", "—"),
            *((str(c.id), pick(c.title)) for c in campaigns.list_all()),
        ]
        return self

    def validate_value(self, field: StringField) -> None:
        """A value goes with its basis and its evidence, and none without."""
        if not field.data and self.basis.data == Basis.NONE:
            return
        try:
            minor = Money.parse_yuan(field.data or "").minor
        except MoneyError:
            minor = 0
        if minor <= 0 or self.basis.data == Basis.NONE or not self.evidence.data:
            raise ValidationError(
                _l("A value needs its basis and its evidence; without a basis there is no value.")
            )

    def validate_received_on(self, field: DateField) -> None:
        """What comes tomorrow is not here."""
        if field.data and field.data > clock.today():
            raise ValidationError(_l("This date lies in the future."))

    def validate_display(self, field: SelectField) -> None:
        """A shown name is written."""
        if field.data != Display.ANONYMOUS and not self.name.data:
            raise ValidationError(
                _l("Please write the name to be shown, or choose to stay anonymous.")
            )

    def item(self) -> NewItem:
        """Return what was entered; call only after validation."""
        upload = self.evidence.data if self.basis.data != Basis.NONE else None
        return NewItem(
            UUID(self.kind.data),
            self.quantity.value,
            Condition(self.condition.data),
            self.expires_on.data,
            Basis(self.basis.data),
            Money.parse_yuan(self.value.data) if self.value.data else None,
            Paper(upload.read(), upload.filename or "evidence") if upload else None,
        )


class HandOutForm(FlaskForm):
    """Who gets what."""

    kind = SelectField(_l("Goods"), [NEEDED])
    place = SelectField(_l("Storage place"), [NEEDED])
    quantity = QuantityField(_l("Quantity"))
    receiver = StringField(_l("Receiving unit"), [NEEDED, Length(max=80)], filters=[strip])
    programme = StringField(_l("Programme"), [Length(max=80)], filters=[strip])
    note = FileField(_l("Signed handover note"), [FileRequired(_l("Choose a file first."))])

    def offer(self) -> "HandOutForm":
        """Fill the lists to choose from."""
        self.kind.choices = [
            (str(k.id), f"{pick(k.name)} · {pick(k.unit)}") for k in queries.kinds()
        ]
        self.place.choices = [(str(p.id), p.name) for p in queries.places()]
        return self


class MoveForm(FlaskForm):
    """How much goes where."""

    quantity = QuantityField(_l("Quantity"))
    place = StringField(_l("To which place"), [NEEDED, Length(max=60)], filters=[strip])


class WriteOffForm(FlaskForm):
    """How much is spoilt, and why."""

    quantity = QuantityField(_l("Quantity"))
    reason = TextAreaField(_l("Reason"), [NEEDED, Length(max=300)], filters=[strip])
