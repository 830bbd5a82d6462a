"""Forms of the counter: what lies on the table, piece by piece and gift by gift."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_wtf import FlaskForm
from wtforms import (
    FieldList,
    Form,
    FormField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from fundraising.campaigns.forms import NEEDED, strip
from fundraising.campaigns.models import Campaign
from fundraising.giving.counter.models import Method, ReceiptBook
from fundraising.giving.counter.service import PIECES, CountedGift, worth
from fundraising.giving.models import Display
from fundraising.i18n import lazy_gettext as _l
from fundraising.i18n import pick
from fundraising.money import Money, MoneyError

MOST_PIECES, MOST_LINES = 100_000, 60
BAD_AMOUNT = _l("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
WHOLE = {"inputmode": "numeric", "autocomplete": "off"}


def _pieces(label: str) -> IntegerField:
    checks = [Optional(), NumberRange(0, MOST_PIECES, _l("A whole number, please."))]
    return IntegerField(label, checks, render_kw=WHOLE)


class PiecesForm(FlaskForm):
    """How many notes and coins of each value."""

    p10000 = _pieces("¥100")
    p5000 = _pieces("¥50")
    p2000 = _pieces("¥20")
    p1000 = _pieces("¥10")
    p500 = _pieces("¥5")
    p100 = _pieces("¥1")
    p50 = _pieces("¥0.50")
    p10 = _pieces("¥0.10")
    p5 = _pieces("¥0.05")
    p2 = _pieces("¥0.02")
    p1 = _pieces("¥0.01")

    def piece_fields(self) -> list[Any]:
        """Return the fields from the largest note to the smallest coin."""
        return [self[f"p{value}"] for value in PIECES]

    def pieces(self) -> dict[int, int]:
        """Return how many of each value; call only after validation."""
        return {value: self[f"p{value}"].data or 0 for value in PIECES}


class _Counted(PiecesForm):
    campaign = SelectField(_l("Campaign"), [NEEDED])
    place = StringField(_l("Where it was collected"), [NEEDED, Length(max=80)], filters=[strip])
    book = SelectField(_l("Receipt book"), [NEEDED])

    def offer(self, campaigns: Iterable[Campaign], books: Iterable[ReceiptBook]) -> None:
        """Fill the lists to choose from; full books are left out."""
        self.campaign.choices = [(one.slug, pick(one.title)) for one in campaigns]
        self.book.choices = [
            (str(b.id), f"{b.code} ({b.next_number}–{b.last_number})")
            for b in books
            if b.next_number <= b.last_number
        ]

    def book_id(self) -> UUID:
        """Return the book chosen."""
        return UUID(self.book.data)


class BoxForm(_Counted):
    """A box that was opened: one anonymous gift with one paper receipt."""

    paper = IntegerField(
        _l("Paper receipt number"),
        [InputRequired(_l("A whole number, please.")), NumberRange(1)],
        render_kw=WHOLE,
    )

    def gifts(self) -> list[CountedGift]:
        """Return the box's one gift; call only after validation."""
        counted = worth(self.pieces())
        return [CountedGift(Money(counted), self.paper.data or 0)] if counted else []


class LineForm(Form):
    """One gift on the list; an empty line is left out."""

    amount = StringField(
        _l("Amount (yuan)"),
        filters=[strip],
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )
    paper = IntegerField(_l("Paper receipt number"), [Optional(), NumberRange(1)], render_kw=WHOLE)
    name = StringField(
        _l("Donor’s name (empty: anonymous)"),
        [Length(max=40)],
        filters=[strip],
        render_kw={"autocomplete": "off"},
    )
    display = SelectField(
        _l("Shown in public as"),
        choices=[
            (Display.ANONYMOUS, _l("Anonymous")),
            (Display.MASKED, _l("First character only")),
            (Display.FULL, _l("Full name")),
        ],
    )
    cheque_no = StringField(
        _l("Cheque number (empty: cash)"),
        [Length(max=40)],
        filters=[strip],
        render_kw={"autocomplete": "off"},
    )

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written in this line."""
        return not (self.amount.data or self.paper.data or self.name.data or self.cheque_no.data)

    def validate_amount(self, field: StringField) -> None:
        """More than nothing, with its paper receipt; a name that is to be shown is there."""
        if self.is_empty:
            return
        try:
            minor = Money.parse_yuan(field.data or "").minor
        except MoneyError:
            raise ValidationError(BAD_AMOUNT) from None
        if minor <= 0:
            raise ValidationError(_l("The amount must be more than zero."))

    def validate_display(self, field: SelectField) -> None:
        """A line needs its paper, and a shown name is written."""
        if not self.is_empty and not self.paper.data:
            raise ValidationError(_l("Every gift needs the number of its paper receipt."))
        if field.data != Display.ANONYMOUS and not self.name.data:
            raise ValidationError(
                _l("Please write the name to be shown, or choose to stay anonymous.")
            )

    def gift(self) -> CountedGift:
        """Return what was written; call only after validation."""
        cheque = self.cheque_no.data or ""
        return CountedGift(
            Money.parse_yuan(self.amount.data or ""),
            self.paper.data or 0,
            Method.CHEQUE if cheque else Method.CASH,
            cheque,
            self.name.data or "",
            Display(self.display.data),
        )


class ListForm(_Counted):
    """A list of gifts, and the notes and coins that lie beside it."""

    rows = FieldList(FormField(LineForm), min_entries=5, max_entries=MOST_LINES)

    def gifts(self) -> list[CountedGift]:
        """Return the gifts of the lines that are filled; call only after validation."""
        return [row.form.gift() for row in self.rows if not row.form.is_empty]

    def add_rows(self, more: int = 5) -> None:
        """Show more empty lines."""
        for _number in range(min(more, MOST_LINES - len(self.rows))):
            self.rows.append_entry()


class RecountForm(PiecesForm):
    """What the second person counts, without seeing the first count."""

    cheques = StringField(
        _l("All cheques together (yuan)"), filters=[strip], render_kw={"inputmode": "decimal"}
    )

    def validate_cheques(self, field: StringField) -> None:
        """An amount in yuan, or nothing."""
        try:
            Money.parse_yuan(field.data or "0")
        except MoneyError:
            raise ValidationError(BAD_AMOUNT) from None

    def cheque_sum(self) -> Money:
        """Return the sum of the cheques; call only after validation."""
        return Money.parse_yuan(self.cheques.data or "0")


class WhyForm(FlaskForm):
    """Why a step is taken back."""

    reason = TextAreaField(_l("Reason"), [NEEDED, Length(max=300)], filters=[strip])


class BookForm(FlaskForm):
    """A new book of paper receipts."""

    code = StringField(_l("Code of the book"), [NEEDED, Length(max=20)], filters=[strip])
    first = IntegerField(
        _l("First number"), [InputRequired(_l("A whole number, please."))], render_kw=WHOLE
    )
    last = IntegerField(
        _l("Last number"), [InputRequired(_l("A whole number, please."))], render_kw=WHOLE
    )


class VoidForm(WhyForm):
    """A spoilt paper."""

    number = IntegerField(
        _l("Paper receipt number"), [InputRequired(_l("A whole number, please."))], render_kw=WHOLE
    )
