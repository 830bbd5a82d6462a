"""Language: Chinese first, English complete; formats of money and time as people see them."""

from collections.abc import Mapping
from datetime import date, datetime, time

from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_locale, gettext, lazy_gettext, ngettext
from markupsafe import Markup

from fundraising import clock

LANGUAGES = ("zh", "en")
LANGUAGE_COOKIE = "lang"
MINUS = "\u2212"

__all__ = ["gettext", "language", "lazy_gettext", "ngettext", "pick", "setup"]


def choose_language() -> str:
    """Return the language of this request: ``?lang=``, then the cookie, then Chinese."""
    if not has_request_context():
        return LANGUAGES[0]
    if "language" not in g:
        asked = request.args.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
        g.language = asked if asked in LANGUAGES else LANGUAGES[0]
    chosen: str = g.language
    return chosen


def language() -> str:
    """Return the language in force, ``zh`` or ``en``; a letter may force another than the request's."""
    locale = get_locale()
    return locale.language if locale is not None else LANGUAGES[0]


def pick(value: Mapping[str, str] | None) -> str:
    """Return content people wrote in the language in force, else in Chinese."""
    if not value:
        return ""
    return value.get(language()) or value.get("zh", "")


def fen(minor: int) -> str:
    """Format fen exactly: ``¥11,576.00``."""
    sign = MINUS if minor < 0 else ""
    return f"{sign}¥{abs(minor) // 100:,}.{abs(minor) % 100:02d}"


def fen_short(minor: int) -> str:
    """Format fen for headlines: whole yuan without decimals, else exact."""
    return fen(minor)[:-3] if minor % 100 == 0 else fen(minor)


def fen_plain(minor: int) -> str:
    """Format fen for forms and files: ``11576.00``."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def on_day(value: date | datetime | None) -> str:
    """Format a date, or the Shanghai date of an instant."""
    if value is None:
        return ""
    day = clock.shanghai_date(value) if isinstance(value, datetime) else value
    if language() == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {day:%b} {day.year}"


def at_minute(value: datetime | None) -> str:
    """Format an instant in Shanghai time to the minute."""
    return f"{value.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}" if value else ""


def at_bank(value: datetime | None) -> str:
    """Format when a bank booked something: to the minute, or its day where it told no time of day."""
    is_day = value is not None and value.astimezone(clock.SHANGHAI).time() == time.min
    return on_day(value) if is_day else at_minute(value)


def time_tag(value: datetime | date | None) -> Markup:
    """Return a ``<time>`` element with the machine-readable instant."""
    if value is None:
        return Markup("")
    text = at_minute(value) if isinstance(value, datetime) else on_day(value)
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), text)


def count(value: int) -> str:
    """Format a whole number with separators."""
    return f"{value:,}"


def setup(app: Flask) -> None:
    """Install Babel, the formats as Jinja filters, and ``pick`` and ``language`` as globals."""
    Babel(
        app,
        default_locale="zh",
        default_timezone="Asia/Shanghai",
        locale_selector=choose_language,
    )
    app.jinja_env.filters.update(
        fen=fen,
        fen_short=fen_short,
        fen_plain=fen_plain,
        d=on_day,
        dt=at_minute,
        bank=at_bank,
        time_tag=time_tag,
        count=count,
        pick=pick,
    )
    app.jinja_env.globals.update(pick=pick, language=language)
