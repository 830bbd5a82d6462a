"""Forms of gift files and platforms, and what a person said of a file's columns."""

from collections.abc import Mapping as MappingType
from dataclasses import dataclass

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length

from fundraising.i18n import lazy_gettext as _l
from fundraising.payments.platforms.mapping import ANY, FIELDS, WORDS, Mapping, normal

NEEDED = InputRequired(_l("Please fill this in."))


def _strip(value: str | None) -> str | None:
    return value.replace("\x00", "").strip() if value else value


class ImportForm(FlaskForm):
    """A gift file, whose it is, and where it belongs."""

    platform = SelectField(_l("Platform"), [NEEDED])
    campaign = SelectField(_l("Campaign"), [NEEDED])
    file = FileField(_l("Gift file (CSV or XLSX)"), [FileRequired(_l("Choose a file first."))])


class PlatformForm(FlaskForm):
    """A platform to be registered."""

    code = StringField(_l("Code"), [NEEDED, Length(max=31)], filters=[_strip])
    name_zh = StringField(_l("Name (Chinese)"), [NEEDED, Length(max=60)], filters=[_strip])
    name_en = StringField(_l("Name (English)"), [Length(max=60)], filters=[_strip])


@dataclass(frozen=True)
class Choice:
    """One thing to be found in a file, and the heading that is chosen for it."""

    field: str
    label: object
    chosen: str


def choices(headings: list[str], mapping: Mapping) -> list[Choice]:
    """Return for each field the heading of this file that the mapping, or what is known anywhere, finds."""
    found = []
    for name, label in FIELDS.items():
        known = [*mapping.columns.get(name, ()), *ANY.columns[name]]
        plain = {normal(heading): heading for heading in reversed(headings)}
        chosen = next((plain[k] for k in map(normal, known) if k in plain), "")
        found.append(Choice(name, label, chosen))
    return found


def said(form: MappingType[str, str], headings: list[str], before: Mapping) -> Mapping:
    """Return the mapping a person described: this file's headings as chosen, other known ones kept."""
    here = {normal(heading) for heading in headings}
    columns: dict[str, tuple[str, ...]] = {}
    for name in FIELDS:
        chosen = form.get(f"column-{name}", "")
        others = [h for h in before.columns.get(name, ()) if normal(h) not in here]
        columns[name] = ((chosen,) if chosen in headings else ()) + tuple(others)
    words = {
        meaning: tuple(
            dict.fromkeys(
                w.strip()[:40] for w in form.get(f"word-{meaning}", "").splitlines() if w.strip()
            )
        )
        for meaning in WORDS
    }
    return Mapping(
        before.platform, form.get("name", "").strip()[:40] or before.name, 0, columns, words
    )
