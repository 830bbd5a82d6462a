"""Reading campaigns and updates."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import exists, func, select

from fundraising.campaigns.errors import CampaignNotFound
from fundraising.campaigns.models import Campaign, CampaignState, CampaignUpdate, UpdateState
from fundraising.database import db

ORDER_OF_STATES = (
    CampaignState.OPEN,
    CampaignState.UPCOMING,
    CampaignState.ENDED,
    CampaignState.COMPLETED,
)


def get(slug: str) -> Campaign:
    """Return the campaign, public or not. Raises CampaignNotFound."""
    found = db.session.execute(select(Campaign).where(Campaign.slug == slug)).scalar_one_or_none()
    if found is None:
        raise CampaignNotFound
    return found


def get_by_id(campaign_id: UUID) -> Campaign:
    """Return the campaign. Raises CampaignNotFound."""
    found = db.session.get(Campaign, campaign_id)
    if found is None:
        raise CampaignNotFound
    return found


def get_public(slug: str) -> Campaign:
    """Return the campaign if everybody may see it. Raises CampaignNotFound, also for drafts."""
    found = get(slug)
    if not found.is_public:
        raise CampaignNotFound
    return found


def list_public(limit: int = 100) -> list[Campaign]:
    """Return public campaigns, the open ones first, then the latest."""
    rank = func.array_position(list(ORDER_OF_STATES), Campaign.state)
    query = (
        select(Campaign)
        .where(Campaign.state != CampaignState.DRAFT)
        .order_by(rank, Campaign.starts_on.desc(), Campaign.id)
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def holds_demo() -> bool:
    """Whether the demonstration is loaded; every page that does not know better says so."""
    return bool(db.session.execute(select(exists().where(Campaign.is_demo))).scalar())


def slugs_of_funds(fund_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the slug of each fund's public campaign."""
    query = select(Campaign.fund_id, Campaign.slug).where(
        Campaign.fund_id.in_(fund_ids), Campaign.state != CampaignState.DRAFT
    )
    return {row.fund_id: row.slug for row in db.session.execute(query)}


def list_all(limit: int = 200) -> list[Campaign]:
    """Return every campaign for staff, the latest first."""
    query = select(Campaign).order_by(Campaign.starts_on.desc(), Campaign.id).limit(limit)
    return list(db.session.execute(query).scalars())


def updates(campaign_id: UUID | None = None, limit: int = 10) -> list[CampaignUpdate]:
    """Return published updates of one campaign or of all public ones, the newest first."""
    query = (
        select(CampaignUpdate)
        .join(Campaign, Campaign.id == CampaignUpdate.campaign_id)
        .where(CampaignUpdate.state == UpdateState.PUBLISHED, Campaign.state != CampaignState.DRAFT)
        .order_by(CampaignUpdate.published_at.desc(), CampaignUpdate.id.desc())
        .limit(limit)
    )
    if campaign_id is not None:
        query = query.where(CampaignUpdate.campaign_id == campaign_id)
    return list(db.session.execute(query).scalars())


def staff_updates(campaign_id: UUID, limit: int = 100) -> list[CampaignUpdate]:
    """Return all updates of a campaign, drafts included, the newest first."""
    query = (
        select(CampaignUpdate)
        .where(CampaignUpdate.campaign_id == campaign_id)
        .order_by(CampaignUpdate.created_at.desc(), CampaignUpdate.id.desc())
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def get_update(update_id: UUID) -> CampaignUpdate:
    """Return an update, draft or published. Raises CampaignNotFound."""
    found = db.session.get(CampaignUpdate, update_id)
    if found is None:
        raise CampaignNotFound
    return found
