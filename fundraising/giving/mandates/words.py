"""What a donor agrees to, word for word, and how states are called."""

from collections.abc import Callable
from typing import Any

from fundraising.campaigns.models import Campaign
from fundraising.giving.forms import DonateForm
from fundraising.giving.mandates import letters, service
from fundraising.giving.mandates.models import (
    ContractState,
    Mandate,
    MandateState,
    PeriodState,
    Reason,
    Way,
)
from fundraising.giving.mandates.service import Promise
from fundraising.giving.models import Gift
from fundraising.i18n import fen_short, gettext, pick
from fundraising.i18n import lazy_gettext as _l
from fundraising.payments.providers.base import Product

STATES: dict[str, Any] = {
    MandateState.PENDING: _l("Waits for its first gift"),
    MandateState.ACTIVE: _l("Running"),
    MandateState.PAUSED: _l("Resting"),
    MandateState.ENDED: _l("Ended"),
}
STATE_BADGES = {MandateState.PENDING: "wait", MandateState.ACTIVE: "ok"}
REASONS: dict[str, Any] = {
    Reason.DONOR: _l("by the donor"),
    Reason.CAMPAIGN: _l("the campaign takes no gifts"),
    Reason.UNPAID: _l("three gifts in a row were not given"),
    Reason.NEVER_BEGUN: _l("the first gift was never paid"),
}
PERIODS: dict[str, Any] = {
    PeriodState.ANNOUNCED: _l("Announced"),
    PeriodState.ASKED: _l("Waits for your gift"),
    PeriodState.PAID: _l("Given"),
    PeriodState.FAILED: _l("Not given"),
    PeriodState.SKIPPED: _l("Left out"),
}
PERIOD_BADGES = {
    PeriodState.ANNOUNCED: "wait",
    PeriodState.ASKED: "wait",
    PeriodState.PAID: "ok",
}
WAYS: dict[str, Any] = {
    Way.REMINDER: _l("a letter before each gift, given with one tap"),
    Way.STRIPE: _l("a letter days before, then charged to the card"),
    Way.WECHATPAY: _l("a letter days before, then charged by WeChat Pay"),
    Way.ALIPAY: _l("a letter days before, then charged by Alipay"),
}
CONTRACTS: dict[str, Any] = {
    ContractState.ASKED: _l("Waits to be signed"),
    ContractState.STANDING: _l("Stands"),
    ContractState.REFUSED: _l("Not signed"),
    ContractState.ENDED: _l("Ended"),
}
CONTRACT_BADGES = {ContractState.ASKED: "wait", ContractState.STANDING: "ok"}


def payer(way: str) -> str:
    """Return who charges a donor that agreed there."""
    return letters.payer(Way(way))


def agreement(mandate: Mandate, campaign: Campaign, way: Way) -> str:
    """Return what a donor agrees to before signing at a provider, kept as it was agreed to."""
    agreed: str = gettext(
        "I agree that %(payer)s charges me %(amount)s each month, on day %(day)s, for “%(campaign)s”. I am written "
        "to days before each charge. I can change, pause or end it at any time by my own link, or end the charging "
        "in %(app)s.",
        payer=letters.payer(way),
        app=letters.app(way),
        amount=fen_short(mandate.amount_fen),
        day=mandate.day,
        campaign=pick(campaign.title),
    )
    return agreed


def consent(amount_fen: int, day: int, campaign: Campaign, way: Way) -> str:
    """Return the promise in the donor's own language, kept as it was agreed to."""
    values = {"amount": fen_short(amount_fen), "day": day, "campaign": pick(campaign.title)}
    by_card: str = gettext(
        "I wish to give %(amount)s each month, on day %(day)s, for “%(campaign)s”, and agree that my card is kept "
        "at Stripe and charged for it. I am written to days before each charge. I can change, pause or end it at "
        "any time by my own link.",
        **values,
    )
    by_tap: str = gettext(
        "I wish to give %(amount)s each month, on day %(day)s, for “%(campaign)s”. I am written to before each "
        "gift; nothing is charged by itself. I can change, pause or end it at any time by my own link.",
        **values,
    )
    return by_tap if way == Way.REMINDER else by_card


def promised(form: DonateForm, campaign: Campaign, product: Product) -> Callable[[Gift], Mandate]:
    """Return what writes the mandate beside the first gift; call only after validation."""
    day = int(form.day.data)
    way = Way.STRIPE if product is Product.STRIPE_KEEP else Way.REMINDER

    def written(gift: Gift) -> Mandate:
        agreed = consent(gift.amount_fen, day, campaign, way)
        return service.begin(Promise(day, agreed, way), gift)

    return written
