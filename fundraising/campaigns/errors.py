"""What the rules of campaigns refuse."""

from http import HTTPStatus

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class CampaignNotFound(NotFound):
    """No such campaign, or not a public one."""

    message = _l("We could not find that campaign.")


class CampaignNotOpen(DomainError):
    """The campaign takes no gifts now."""

    status = HTTPStatus.CONFLICT
    code = "campaign_not_open"
    message = _l("This campaign is not taking gifts at the moment.")


class CampaignChanged(DomainError):
    """Somebody else saved the campaign since the form was opened."""

    code = "campaign_changed"
    message = _l(
        "Someone else changed this campaign while you were editing. Please look at it again."
    )


class NotReadyToPublish(Invalid):
    """What the law wants shown is missing; ``extra['missing']`` names it."""

    code = "not_ready_to_publish"
    message = _l("The campaign cannot go public yet: facts that the law wants shown are missing.")


class ImpossibleStep(DomainError):
    """The life cycle does not allow this change of state."""

    code = "impossible_step"
    message = _l("The campaign cannot change to that state.")
