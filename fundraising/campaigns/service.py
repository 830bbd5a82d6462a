"""Changing campaigns: create, edit, move through the life cycle, write and publish updates."""

from dataclasses import asdict, dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm.exc import StaleDataError

from fundraising import clock, twins
from fundraising.audit import service as audit
from fundraising.campaigns.errors import CampaignChanged, ImpossibleStep, NotReadyToPublish
from fundraising.campaigns.models import Campaign, CampaignState, CampaignUpdate, UpdateState
from fundraising.database import Text2, db
from fundraising.funds import service as funds

STEPS: dict[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset({CampaignState.UPCOMING, CampaignState.OPEN}),
    CampaignState.UPCOMING: frozenset({CampaignState.DRAFT, CampaignState.OPEN}),
    CampaignState.OPEN: frozenset({CampaignState.ENDED}),
    CampaignState.ENDED: frozenset({CampaignState.OPEN, CampaignState.COMPLETED}),
    CampaignState.COMPLETED: frozenset(),
}
LEGAL_FACTS = ("filing_no", "certificate_no", "platform_name", "platform_url", "complaint_contact")


@dataclass(frozen=True)
class CampaignFacts:
    """Everything about a campaign that a person edits. Amounts are fen."""

    title: Text2
    summary: Text2
    story: Text2
    goal_fen: int
    unit_price_fen: int
    unit_name: Text2
    starts_on: date
    ends_on: date
    filing_no: str = ""
    certificate_no: str = ""
    platform_name: Text2 = field(default_factory=lambda: {"zh": ""})
    platform_url: str = ""
    complaint_contact: Text2 = field(default_factory=lambda: {"zh": ""})
    preset_amounts_fen: tuple[int, ...] = (1300, 5000, 10000, 20000, 50000, 100000)
    min_fen: int = 100
    max_fen: int = 5_000_000
    completed_note: Text2 | None = None


def create(
    slug: str, facts: CampaignFacts, actor_id: UUID | None, *, is_demo: bool = False
) -> Campaign:
    """Create a draft campaign together with its restricted fund (donors' purpose binds the money).

    Raises:
        IntegrityError: the slug is taken.
    """
    fund = funds.create_fund(slug, "restricted", facts.title, facts.summary)
    campaign = Campaign(slug=slug, fund_id=fund.id, is_demo=is_demo, **_columns(facts))
    db.session.add(campaign)
    db.session.flush()
    audit.record("campaign.created", f"campaign:{slug}", actor_id, {})
    return campaign


def edit(campaign: Campaign, facts: CampaignFacts, *, version: int, actor_id: UUID | None) -> None:
    """Replace the facts of a campaign; a public one keeps every fact the law wants shown.

    Raises:
        CampaignChanged: ``version`` is not the present one.
        NotReadyToPublish: a public campaign would lose a legal fact.
    """
    if campaign.version != version:
        raise CampaignChanged
    changed = {
        name: value for name, value in _columns(facts).items() if getattr(campaign, name) != value
    }
    for name, value in changed.items():
        setattr(campaign, name, value)
    if campaign.is_public:
        _require_legal_facts(campaign)
    try:
        db.session.flush()
    except StaleDataError as stale:
        raise CampaignChanged from stale
    audit.record(
        "campaign.edited", f"campaign:{campaign.slug}", actor_id, {"changed": sorted(changed)}
    )


def set_image(campaign: Campaign, file_id: UUID | None, actor_id: UUID | None) -> None:
    """Show a stored public picture at the top of the campaign."""
    campaign.image_file_id = file_id
    db.session.flush()
    audit.record("campaign.image_set", f"campaign:{campaign.slug}", actor_id, {})


def move(campaign: Campaign, to: CampaignState, actor_id: UUID | None) -> None:
    """Take the campaign to another state of its life.

    Raises:
        ImpossibleStep: the life cycle has no such step.
        NotReadyToPublish: going public without the facts of 慈善法 articles 24 and 27.
    """
    before = CampaignState(campaign.state)
    if to not in STEPS[before]:
        raise ImpossibleStep(before=str(before), to=str(to))
    if to is not CampaignState.DRAFT:
        _require_legal_facts(campaign)
    campaign.state = to
    db.session.flush()
    audit.record(
        "campaign.moved", f"campaign:{campaign.slug}", actor_id, {"from": before, "to": to}
    )


def end_due() -> int:
    """End open campaigns whose last day is over and open upcoming ones whose first day has come.

    Returns the number of campaigns that changed. Safe to repeat.
    """
    today = clock.today()
    ended = db.session.execute(
        update(Campaign)
        .where(Campaign.state == CampaignState.OPEN, Campaign.ends_on < today)
        .values(state=CampaignState.ENDED, version=Campaign.version + 1)
        .returning(Campaign.slug)
    ).scalars()
    opened = db.session.execute(
        update(Campaign)
        .where(
            Campaign.state == CampaignState.UPCOMING,
            Campaign.starts_on <= today,
            Campaign.ends_on >= today,
        )
        .values(state=CampaignState.OPEN, version=Campaign.version + 1)
        .returning(Campaign.slug)
    ).scalars()
    changed = [(slug, "campaign.ended") for slug in ended] + [
        (slug, "campaign.opened") for slug in opened
    ]
    for slug, action in changed:
        audit.record(action, f"campaign:{slug}", None, {})
    return len(changed)


def write_update(
    campaign: Campaign, title: Text2, body: Text2, actor_id: UUID | None
) -> CampaignUpdate:
    """Keep a draft update of the campaign. Raises SentTwice when its author wrote the very same before."""
    draft = CampaignUpdate(campaign_id=campaign.id, title=title, body=body, author_id=actor_id)
    twins.refuse_second(draft, "campaign_id", "title", "body", "author_id")
    db.session.add(draft)
    db.session.flush()
    return draft


def edit_update(draft: CampaignUpdate, title: Text2, body: Text2, actor_id: UUID | None) -> None:
    """Change an update; the change of a published one is kept in the audit log."""
    draft.title, draft.body = title, body
    db.session.flush()
    audit.record("update.edited", f"update:{draft.id}", actor_id, {"state": draft.state})


def publish_update(draft: CampaignUpdate, actor_id: UUID | None) -> None:
    """Show an update to everybody, once; publishing again changes nothing."""
    if draft.state == UpdateState.PUBLISHED:
        return
    draft.state, draft.published_at = UpdateState.PUBLISHED, clock.now()
    db.session.flush()
    audit.record("update.published", f"update:{draft.id}", actor_id, {})


def missing_legal_facts(campaign: Campaign) -> list[str]:
    """Return the names of facts the law wants shown that this campaign still lacks."""
    return [name for name in LEGAL_FACTS if not _is_written(getattr(campaign, name))]


def _is_written(value: str | Text2) -> bool:
    return bool(value.get("zh") if isinstance(value, dict) else value)


def _require_legal_facts(campaign: Campaign) -> None:
    missing = missing_legal_facts(campaign)
    if missing:
        raise NotReadyToPublish(missing=missing)


def _columns(facts: CampaignFacts) -> dict[str, object]:
    return {**asdict(facts), "preset_amounts_fen": list(facts.preset_amounts_fen)}
