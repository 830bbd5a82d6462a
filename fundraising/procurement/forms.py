"""Forms of the buyer's desk."""

from collections.abc import Iterable
from uuid import UUID

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    BooleanField,
    DateField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Regexp, ValidationError

from fundraising import clock
from fundraising.campaigns.forms import NEEDED, AmountField, both, strip
from fundraising.campaigns.models import Campaign
from fundraising.database import Text2
from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.money import Money
from fundraising.procurement.models import DocumentKind, Supplier
from fundraising.procurement.service import NewLine
from fundraising.procurement.suppliers import SupplierFacts

CREDIT_CODE = Regexp(r"^([0-9A-HJ-NPQRTUWXY]{18})?$", message=_l("18 digits and capital letters."))
MOST_UNITS = 100_000
KINDS = (
    (DocumentKind.CONTRACT, _l("Contract")),
    (DocumentKind.INVOICE, _l("Invoice")),
    (DocumentKind.OTHER, _l("Other paper")),
)


class SupplierForm(FlaskForm):
    """A supplier."""

    name = StringField(_l("Name of the company"), [NEEDED, Length(max=120)], filters=[strip])
    credit_code = StringField(_l("Unified social credit code"), [CREDIT_CODE], filters=[strip])
    bank_account = StringField(_l("Bank and account number"), [Length(max=120)], filters=[strip])
    contact = StringField(_l("Contact (office, not a person)"), [Length(max=120)], filters=[strip])
    version = IntegerField(_l("Version"), default=0)

    def facts(self) -> SupplierFacts:
        """Return what was entered; call only after validation."""
        return SupplierFacts(
            self.name.data or "",
            self.credit_code.data or "",
            self.bank_account.data or "",
            self.contact.data or "",
        )


class PurchaseForm(FlaskForm):
    """What is bought, for which campaign, from whom."""

    campaign = SelectField(_l("Campaign that pays"), [NEEDED])
    supplier = SelectField(_l("Supplier"), [NEEDED])
    title_zh = StringField(_l("Title (Chinese)"), [NEEDED, Length(max=80)], filters=[strip])
    title_en = StringField(_l("Title (English)"), [Length(max=160)], filters=[strip])
    version = IntegerField(_l("Version"), default=0)

    def offer(self, campaigns: Iterable[Campaign], suppliers: Iterable[Supplier]) -> "PurchaseForm":
        """Fill the lists to choose from."""
        self.campaign.choices = [(one.slug, pick(one.title)) for one in campaigns]
        self.supplier.choices = [(str(one.id), one.name) for one in suppliers]
        return self

    def title(self) -> Text2:
        """Return the title in the languages it was written in."""
        return both(self.title_zh, self.title_en)

    def supplier_id(self) -> UUID:
        """Return the supplier chosen."""
        return UUID(self.supplier.data)


class LineForm(FlaskForm):
    """A line to buy."""

    item_zh = StringField(_l("Item (Chinese)"), [NEEDED, Length(max=80)], filters=[strip])
    item_en = StringField(_l("Item (English)"), [Length(max=160)], filters=[strip])
    model = StringField(_l("Brand and model"), [Length(max=80)], filters=[strip])
    quantity = IntegerField(
        _l("Quantity"),
        [
            InputRequired(_l("A whole number, please.")),
            NumberRange(1, MOST_UNITS, _l("A whole number from 1 to 100,000.")),
        ],
        render_kw={"inputmode": "numeric"},
    )
    price = AmountField(_l("Price of one (yuan)"))
    is_device = BooleanField(_l("These are devices with serial numbers, to be installed"))
    version = HiddenField()

    def line(self) -> NewLine:
        """Return what was entered; call only after validation."""
        return NewLine(
            item=both(self.item_zh, self.item_en),
            quantity=self.quantity.data or 0,
            unit_price_fen=self.price.minor or 0,
            is_device=bool(self.is_device.data),
            model=self.model.data or "",
        )


class PaperForm(FlaskForm):
    """A paper of a purchase."""

    kind = SelectField(_l("Kind of paper"), choices=list(KINDS))
    paper = FileField(
        _l("File (PDF, JPEG, PNG or WebP, at most 10 MB)"),
        [FileRequired(_l("Choose a file first."))],
    )
    is_public = BooleanField(
        _l("Show it to the public (everything private in it is blacked out)"), default=True
    )


class GoodsForm(FlaskForm):
    """How many were delivered."""

    quantity = IntegerField(
        _l("Delivered"),
        [
            InputRequired(_l("A whole number, please.")),
            NumberRange(1, MOST_UNITS, _l("A whole number from 1 to 100,000.")),
        ],
        render_kw={"inputmode": "numeric"},
    )


class PaymentForm(FlaskForm):
    """A transfer to the supplier."""

    amount = AmountField(_l("Amount (yuan)"))
    paid_on = DateField(_l("Day of the transfer"), [NEEDED])
    reference = StringField(_l("Reference of the bank"), [NEEDED, Length(max=60)], filters=[strip])

    def validate_paid_on(self, field: DateField) -> None:
        """Money that has not left yet is not paid."""
        if field.data and field.data > clock.today():
            raise ValidationError(_l("This date lies in the future."))

    def money(self) -> Money:
        """Return the amount; call only after validation."""
        return Money(self.amount.minor or 0)


class ReasonForm(FlaskForm):
    """Why a decision goes against something."""

    reason = TextAreaField(_l("Reason"), [NEEDED, Length(max=500)], filters=[strip])
    version = HiddenField()
