"""What a donor agrees to, word for word, and how states are called."""

from collections.abc import Callable
from typing import Any

from fundraising.campaigns.models import Campaign
from fundraising.giving.forms import DonateForm
from fundraising.giving.mandates import service
from fundraising.giving.mandates.models import Mandate, MandateState, PeriodState, Reason, Way
from fundraising.giving.mandates.service import Promise
from fundraising.giving.models import Gift
from fundraising.i18n import fen_short, gettext, pick
from fundraising.i18n import lazy_gettext as _l

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
WAYS: dict[str, Any] = {Way.REMINDER: _l("a letter before each gift, given with one tap")}


def consent(amount_fen: int, day: int, campaign: Campaign) -> str:
    """Return the promise in the donor's own language, kept as it was agreed to."""
    said: str = gettext(
        "I wish to give %(amount)s each month, on day %(day)s, for “%(campaign)s”. I am written to before each "
        "gift; nothing is charged by itself. I can change, pause or end it at any time by my own link.",
        amount=fen_short(amount_fen),
        day=day,
        campaign=pick(campaign.title),
    )
    return said


def promised(form: DonateForm, campaign: Campaign) -> Callable[[Gift], Mandate]:
    """Return what writes the mandate beside the first gift; call only after validation."""
    day = int(form.day.data)

    def written(gift: Gift) -> Mandate:
        return service.begin(Promise(day, consent(gift.amount_fen, day, campaign)), gift)

    return written
