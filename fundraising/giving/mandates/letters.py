"""Letters of a monthly gift: the notice before it, the reminder on its day, and a word after every change."""

from collections.abc import Mapping
from datetime import date

from flask import current_app
from flask_babel import force_locale

from config import Settings
from fundraising import clock, references
from fundraising.campaigns.models import Campaign
from fundraising.giving.mandates import donors
from fundraising.giving.mandates.models import Mandate, MandatePeriod, Reason, Way
from fundraising.i18n import fen_short, gettext, language, on_day, pick
from fundraising.mail import service as mail

KIND = "monthly"


def begun(mandate: Mandate, campaign: Campaign) -> None:
    """Write that the first gift has come in, when the next is due, and where to change or end it."""
    with force_locale(mandate.locale):
        values = {**_values(mandate, campaign), "next": on_day(mandate.next_on)}
        by_tap = gettext(
            "Your first gift of %(amount)s for “%(campaign)s” has arrived. Thank you!\n\n"
            "The next one is due on %(next)s. We write to you before each gift. Nothing is charged by "
            "itself: you give each time with one tap.",
            **values,
        )
        by_card = gettext(
            "Your first gift of %(amount)s for “%(campaign)s” has arrived. Thank you!\n\n"
            "The next one is charged to your card on %(next)s, as you wished. We write to you days before each "
            "charge, so that you can change, pause or end it first.",
            **values,
        )
        _send(
            mandate,
            f"monthly-begun:{mandate.id}",
            gettext("Thank you: your monthly gift has begun"),
            by_card if mandate.is_charged else by_tap,
        )


def announced(mandate: Mandate, month: MandatePeriod, campaign: Campaign) -> None:
    """Write the notice of a month; announced anew it is another letter."""
    with force_locale(mandate.locale):
        values = _values(mandate, campaign, month)
        _send(
            mandate,
            f"monthly-notice:{mandate.id}:{month.period}:{month.announced_at.timestamp():.0f}",
            gettext("Your monthly gift of %(amount)s is due on %(due)s", **_pair(values)),
            _by_itself(values, month) if month.charge_way else _by_tap(values),
        )


def due(mandate: Mandate, month: MandatePeriod, campaign: Campaign) -> None:
    """Write on the day itself, with the link to give by one tap."""
    with force_locale(mandate.locale):
        values = _values(mandate, campaign, month)
        _send(
            mandate,
            f"monthly-due:{mandate.id}:{month.period}",
            gettext("Your monthly gift of %(amount)s: one tap", amount=values["amount"]),
            gettext(
                "Today your monthly gift of %(amount)s for “%(campaign)s” is due. "
                "Give it with one tap:\n%(give)s\n\n"
                "If you would rather not give this month, you need do nothing.",
                **values,
            ),
        )


def declined(mandate: Mandate, month: MandatePeriod, campaign: Campaign) -> None:
    """Say that the card could not be charged, with the link to give by one tap instead."""
    with force_locale(mandate.locale):
        values = _values(mandate, campaign, month)
        _send(
            mandate,
            f"monthly-declined:{mandate.id}:{month.period}",
            gettext(
                "Your monthly gift of %(amount)s could not be charged", amount=values["amount"]
            ),
            _not_charged(values, month),
        )


def agreed(mandate: Mandate, campaign: Campaign, next_on: date) -> None:
    """Confirm that the donor agreed to be charged, and from when on."""
    with force_locale(mandate.locale):
        said = gettext(
            "%(payer)s has told us that you agreed: from our next notice on, your monthly gift of %(amount)s for "
            "“%(campaign)s” is charged by %(payer)s on its day. We write to you days before each charge, so that you "
            "can change, pause or end it first.\n\nThe next one is due on %(next)s. Was its notice written already, "
            "you still give that one with one tap.",
            **_values(mandate, campaign),
            payer=payer(Way(mandate.way)),
            next=on_day(next_on),
        )
        _send(mandate, _once(mandate), gettext("Your monthly gift is charged from now on"), said)


def charged_no_more(mandate: Mandate, way: Way, campaign: Campaign) -> None:
    """Say that an agreement has ended at the provider, and that the gift goes on by letter and tap."""
    with force_locale(mandate.locale):
        said = gettext(
            "The agreement by which %(payer)s charged your monthly gift for “%(campaign)s” has ended there. Nothing is "
            "charged any more.\n\nYour monthly gift goes on by letter: we write to you each month, and you give with "
            "one tap if you like. If you would rather end it, your link below does so.",
            **_values(mandate, campaign),
            payer=payer(way),
        )
        _send(mandate, _once(mandate), gettext("Your monthly gift is not charged any more"), said)


def changed(mandate: Mandate, campaign: Campaign, next_on: date) -> None:
    """Confirm a new amount or day; for a month that was announced this is its notice."""
    with force_locale(mandate.locale):
        said = gettext(
            "Your monthly gift for “%(campaign)s” is now %(amount)s, on day %(day)s of each month "
            "(on the last day where a month is shorter).",
            **_values(mandate, campaign),
            day=mandate.day,
        )
        if mandate.reason is None:
            said += "\n\n" + gettext("The next one is due on %(next)s.", next=on_day(next_on))
        _send(mandate, _once(mandate), gettext("Your monthly gift was changed"), said)


def paused(mandate: Mandate, campaign: Campaign) -> None:
    """Say that nothing is asked for the time being, and why."""
    with force_locale(mandate.locale):
        values = _values(mandate, campaign)
        why = {
            Reason.CAMPAIGN: gettext(
                "“%(campaign)s” takes no gifts at present. Your monthly gift rests: nothing is asked of you. "
                "Should the campaign open again, you alone decide whether to go on.",
                **values,
            ),
            Reason.UNPAID: gettext(
                "Your monthly gift for “%(campaign)s” was not given three times in a row, so we let it rest "
                "and do not write to you again. You can go on whenever you like.",
                **values,
            ),
        }
        by_donor = gettext(
            "As you wished, your monthly gift for “%(campaign)s” rests. Nothing is asked of you until you "
            "go on.",
            **values,
        )
        said = why.get(Reason(mandate.reason or Reason.DONOR), by_donor)
        _send(mandate, _once(mandate), gettext("Your monthly gift rests"), said)


def resumed(mandate: Mandate, campaign: Campaign, next_on: date) -> None:
    """Confirm that it goes on, and when."""
    with force_locale(mandate.locale):
        said = gettext(
            "Your monthly gift of %(amount)s for “%(campaign)s” goes on. The next one is due on %(next)s.",
            **_values(mandate, campaign),
            next=on_day(next_on),
        )
        _send(mandate, _once(mandate), gettext("Your monthly gift goes on"), said)


def ended(mandate: Mandate, campaign: Campaign) -> None:
    """Confirm the end."""
    with force_locale(mandate.locale):
        said = gettext(
            "Your monthly gift for “%(campaign)s” has ended. Nothing is asked or charged any more. "
            "Thank you for what you gave; your link shows every gift and where it went.",
            **_values(mandate, campaign),
        )
        _send(mandate, f"monthly-ended:{mandate.id}", gettext("Your monthly gift has ended"), said)


def link(mandate: Mandate, campaign: Campaign) -> None:
    """Send the donor's own link again; once an hour at most."""
    with force_locale(mandate.locale):
        said = gettext(
            "Here is the link of your monthly gift of %(amount)s for “%(campaign)s”.",
            **_values(mandate, campaign),
        )
        hour = f"{clock.now():%Y%m%d%H}"
        _send(mandate, f"monthly-link:{mandate.id}:{hour}", gettext("Your monthly gift"), said)


# ---------------------------------------------------------------------- inside


def _send(mandate: Mandate, key: str, subject: str, said: str) -> None:
    """Write a letter with the link to change or end at its foot; an erased donor gets none."""
    to = donors.read(mandate).email
    if not to:
        return
    settings: Settings = current_app.extensions["settings"]
    foot = gettext(
        "See all your gifts, change, pause or end this, without an account, by your own link:\n%(link)s",
        link=f"{settings.public_url}/m/{mandate.token}",
    )
    mail.send(
        key, KIND, to=to, subject=subject, body=f"{said}\n\n{foot}\n\n{_organisation(settings)}"
    )


def _by_tap(values: Mapping[str, str]) -> str:
    said: str = gettext(
        "On %(due)s your monthly gift of %(amount)s for “%(campaign)s” is due. Nothing is charged by "
        "itself.\n\nGive it with one tap, now or on that day:\n%(give)s",
        **values,
    )
    return said


def payer(way: Way) -> str:
    """Return who charges a donor that agreed there."""
    named: str = {Way.WECHATPAY: gettext("WeChat Pay"), Way.ALIPAY: gettext("Alipay")}[way]
    return named


def app(way: Way) -> str:
    """Return where a donor finds and ends such agreements."""
    named: str = {
        Way.WECHATPAY: gettext("WeChat’s payment settings"),
        Way.ALIPAY: gettext("Alipay’s payment settings"),
    }[way]
    return named


def _by_itself(values: Mapping[str, str], month: MandatePeriod) -> str:
    if month.charge_way == Way.STRIPE:
        return _by_card(values)
    said: str = gettext(
        "On %(due)s %(payer)s charges you %(amount)s, your monthly gift for “%(campaign)s”. You need do nothing.\n\nIf "
        "you would rather not, change, pause or end it before that day.",
        **values,
        payer=payer(Way(month.charge_way or "")),
    )
    return said


def _not_charged(values: Mapping[str, str], month: MandatePeriod) -> str:
    by_card: str = gettext(
        "Your card was not charged for your monthly gift of %(amount)s for “%(campaign)s”: the bank "
        "declined. We do not try again this month.\n\n"
        "If you like, give it with one tap, in any way to pay:\n%(give)s",
        **values,
    )
    if month.charge_way == Way.STRIPE:
        return by_card
    said: str = gettext(
        "%(payer)s did not charge you for your monthly gift of %(amount)s for “%(campaign)s”. We do not try again this "
        "month.\n\nIf you like, give it with one tap, in any way to pay:\n%(give)s",
        **values,
        payer=payer(Way(month.charge_way or "")),
    )
    return said


def _by_card(values: Mapping[str, str]) -> str:
    said: str = gettext(
        "On %(due)s your card is charged %(amount)s, your monthly gift for “%(campaign)s”. You need do "
        "nothing.\n\nIf you would rather not, change, pause or end it before that day.",
        **values,
    )
    return said


def _values(
    mandate: Mandate, campaign: Campaign, month: MandatePeriod | None = None
) -> dict[str, str]:
    values = {
        "amount": fen_short(month.amount_fen if month else mandate.amount_fen),
        "campaign": pick(campaign.title),
    }
    if month is not None:
        settings: Settings = current_app.extensions["settings"]
        values["due"] = on_day(month.due_on)
        values["give"] = f"{settings.public_url}/m/{mandate.token}/{month.period}"
    return values


def _pair(values: Mapping[str, str]) -> dict[str, str]:
    return {"amount": values["amount"], "due": values["due"]}


def _once(mandate: Mandate) -> str:
    """A key of its own for each letter: the same change may be made again another day."""
    return f"monthly:{mandate.id}:{references.uuid7()}"


def _organisation(settings: Settings) -> str:
    is_english = language() == "en"
    return settings.organisation_name_en if is_english else settings.organisation_name
