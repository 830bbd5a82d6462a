"""Forms of the campaign editor. Content is written in Chinese; English is welcome, not required."""

from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import DateField, HiddenField, IntegerField, StringField, TextAreaField
from wtforms.validators import URL, InputRequired, Length, Optional, Regexp, ValidationError

from fundraising.campaigns.models import Campaign
from fundraising.campaigns.service import CampaignFacts
from fundraising.database import Text2
from fundraising.i18n import fen_plain
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money, MoneyError

SLUG = Regexp(r"^[a-z0-9]+(-[a-z0-9]+)*$", message=_l("Small letters, digits and hyphens only."))
PRESETS = 6
NEEDED = InputRequired(_l("Please fill this in."))


def strip(value: str | None) -> str | None:
    """Take blanks off both ends and bytes that no text holds; end lines as we do, not as browsers do."""
    return value.replace("\x00", "").replace("\r\n", "\n").strip() if value else value


class AmountField(StringField):
    """An amount in yuan with at most two decimals; ``minor`` is its fen."""

    minor: int | None = None

    def __init__(self, label: Any, **kwargs: Any) -> None:
        kwargs.setdefault("render_kw", {"inputmode": "decimal"})
        super().__init__(label, [NEEDED, self._check], filters=[strip], **kwargs)

    def _check(self, _form: FlaskForm, field: "AmountField") -> None:
        try:
            minor = Money.parse_yuan(field.data or "").minor
        except MoneyError:
            raise ValidationError(
                _l("Write the amount in yuan with at most two decimals, such as 100 or 13.50.")
            ) from None
        if minor <= 0:
            raise ValidationError(_l("The amount must be more than zero."))
        self.minor = minor


class CampaignForm(FlaskForm):
    """Everything of a campaign that a person edits."""

    slug = StringField(_l("Address"), [NEEDED, Length(max=60), SLUG], filters=[strip])
    title_zh = StringField(_l("Title (Chinese)"), [NEEDED, Length(max=60)], filters=[strip])
    title_en = StringField(_l("Title (English)"), [Length(max=120)], filters=[strip])
    summary_zh = TextAreaField(_l("Summary (Chinese)"), [NEEDED, Length(max=300)], filters=[strip])
    summary_en = TextAreaField(_l("Summary (English)"), [Length(max=600)], filters=[strip])
    story_zh = TextAreaField(_l("Story (Chinese)"), [NEEDED, Length(max=10000)], filters=[strip])
    story_en = TextAreaField(_l("Story (English)"), [Length(max=20000)], filters=[strip])
    goal = AmountField(_l("Goal (yuan)"))
    unit_price = AmountField(_l("Price of one unit (yuan)"))
    unit_name_zh = StringField(
        _l("Name of the unit (Chinese)"), [NEEDED, Length(max=30)], filters=[strip]
    )
    unit_name_en = StringField(_l("Name of the unit (English)"), [Length(max=60)], filters=[strip])
    presets = StringField(
        _l("Suggested amounts (six, in yuan, separated by spaces)"), [NEEDED], filters=[strip]
    )
    minimum = AmountField(_l("Smallest gift (yuan)"))
    maximum = AmountField(_l("Largest gift (yuan)"))
    starts_on = DateField(_l("First day"), [NEEDED])
    ends_on = DateField(_l("Last day"), [NEEDED])
    filing_no = StringField(
        _l("Filing number of the campaign plan"), [Length(max=60)], filters=[strip]
    )
    certificate_no = StringField(
        _l("Number of the public fundraising certificate"), [Length(max=60)], filters=[strip]
    )
    platform_name_zh = StringField(
        _l("Designated platform (Chinese)"), [Length(max=60)], filters=[strip]
    )
    platform_name_en = StringField(
        _l("Designated platform (English)"), [Length(max=60)], filters=[strip]
    )
    platform_url = StringField(
        _l("Address of the listing there"),
        [Optional(), URL(message=_l("This is not a web address.")), Length(max=300)],
        filters=[strip],
    )
    complaint_zh = StringField(
        _l("Complaint contact (Chinese)"), [Length(max=200)], filters=[strip]
    )
    complaint_en = StringField(
        _l("Complaint contact (English)"), [Length(max=200)], filters=[strip]
    )
    completed_zh = TextAreaField(_l("Closing words (Chinese)"), [Length(max=2000)], filters=[strip])
    completed_en = TextAreaField(_l("Closing words (English)"), [Length(max=4000)], filters=[strip])
    version = IntegerField(_l("Version"), default=0)

    def validate_presets(self, field: StringField) -> None:
        """Six amounts, each readable and positive."""
        try:
            amounts = [Money.parse_yuan(word).minor for word in (field.data or "").split()]
        except MoneyError:
            amounts = []
        if len(amounts) != PRESETS or min(amounts) <= 0:
            raise ValidationError(_l("Write six amounts in yuan, separated by spaces."))

    def validate_ends_on(self, field: DateField) -> None:
        """The last day is not before the first."""
        if field.data and self.starts_on.data and field.data < self.starts_on.data:
            raise ValidationError(_l("The last day comes before the first."))

    def validate_maximum(self, field: AmountField) -> None:
        """The largest gift is not below the smallest."""
        if field.minor and self.minimum.minor and field.minor < self.minimum.minor:
            raise ValidationError(_l("The largest gift is smaller than the smallest."))

    def facts(self) -> CampaignFacts:
        """Return what was entered; call only after validation."""
        return CampaignFacts(
            title=both(self.title_zh, self.title_en),
            summary=both(self.summary_zh, self.summary_en),
            story=both(self.story_zh, self.story_en),
            goal_fen=self.goal.minor or 0,
            unit_price_fen=self.unit_price.minor or 0,
            unit_name=both(self.unit_name_zh, self.unit_name_en),
            starts_on=self.starts_on.data,
            ends_on=self.ends_on.data,
            filing_no=self.filing_no.data or "",
            certificate_no=self.certificate_no.data or "",
            platform_name=both(self.platform_name_zh, self.platform_name_en),
            platform_url=self.platform_url.data or "",
            complaint_contact=both(self.complaint_zh, self.complaint_en),
            preset_amounts_fen=tuple(Money.parse_yuan(w).minor for w in self.presets.data.split()),
            min_fen=self.minimum.minor or 0,
            max_fen=self.maximum.minor or 0,
            completed_note=both(self.completed_zh, self.completed_en)
            if self.completed_zh.data
            else None,
        )


class UpdateForm(FlaskForm):
    """An update; the button pressed says whether to look at it or keep it."""

    title_zh = StringField(_l("Title (Chinese)"), [NEEDED, Length(max=80)], filters=[strip])
    title_en = StringField(_l("Title (English)"), [Length(max=160)], filters=[strip])
    body_zh = TextAreaField(_l("Text (Chinese)"), [NEEDED, Length(max=10000)], filters=[strip])
    body_en = TextAreaField(_l("Text (English)"), [Length(max=20000)], filters=[strip])

    def title(self) -> Text2:
        """Return the title in the languages it was written in."""
        return both(self.title_zh, self.title_en)

    def body(self) -> Text2:
        """Return the text in the languages it was written in."""
        return both(self.body_zh, self.body_en)


class ImageForm(FlaskForm):
    """One picture."""

    image = FileField(
        _l("Picture (JPEG, PNG or WebP)"), [FileRequired(_l("Choose a picture first."))]
    )


class StepForm(FlaskForm):
    """One button of the life cycle."""

    to = HiddenField()


def both(chinese: StringField, english: StringField) -> Text2:
    """Return what was written in Chinese and, where it was, in English."""
    value = {"zh": chinese.data or ""}
    if english.data:
        value["en"] = english.data
    return value


def defaults(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign as the values of its form."""
    texts = {
        "title": campaign.title,
        "summary": campaign.summary,
        "story": campaign.story,
        "unit_name": campaign.unit_name,
        "platform_name": campaign.platform_name,
        "complaint": campaign.complaint_contact,
        "completed": campaign.completed_note or {},
    }
    values: dict[str, Any] = {
        f"{name}_{code}": value.get(code, "")
        for name, value in texts.items()
        for code in ("zh", "en")
    }
    plain = (
        "slug",
        "starts_on",
        "ends_on",
        "filing_no",
        "certificate_no",
        "platform_url",
        "version",
    )
    values |= {name: getattr(campaign, name) for name in plain}
    values |= {
        "goal": fen_plain(campaign.goal_fen),
        "unit_price": fen_plain(campaign.unit_price_fen),
        "minimum": fen_plain(campaign.min_fen),
        "maximum": fen_plain(campaign.max_fen),
        "presets": " ".join(fen_plain(amount) for amount in campaign.preset_amounts_fen),
    }
    return values
