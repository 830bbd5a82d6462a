"""Starting gifts, once per form; changing what the public sees of them."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from fundraising import clock, references
from fundraising.audit import service as audit
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.errors import CampaignNotOpen
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.giving import people, ways
from fundraising.giving.errors import (
    AddressNeeded,
    AmountRefused,
    GiftNotFound,
    IdempotencyConflict,
)
from fundraising.giving.models import (
    PERIOD_RULES,
    Display,
    Gift,
    GiftState,
    MessageState,
    ReceiptRule,
)
from fundraising.giving.people import PersonData
from fundraising.mail.service import normal_address
from fundraising.money import Money
from fundraising.payments import service as payments
from fundraising.payments.errors import AttemptOver
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import Product

KEY_LENGTH = 80


@dataclass(frozen=True)
class StartGift:
    """What the donor's form says. ``idempotency_key`` makes a doubled form one order."""

    campaign_slug: str
    amount: Money
    product: Product
    idempotency_key: str
    display: Display = Display.ANONYMOUS
    name: str = ""
    email: str = ""
    message: str = ""
    wants_fiscal_receipt: bool = False
    locale: str = "zh"
    receipt_rule: ReceiptRule = ReceiptRule.AT_ONCE
    payer_name: str = ""
    payer_tax_no: str = ""

    def body_hash(self) -> str:
        """Return a hash of what is asked for, apart from the key."""
        body = [
            self.campaign_slug,
            self.amount.minor,
            self.amount.currency,
            self.product,
            self.display,
            self.name,
            self.email,
            self.message,
            self.wants_fiscal_receipt,
            self.receipt_rule,
            self.payer_name,
            self.payer_tax_no,
        ]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()


def start_gift(asked: StartGift) -> Gift:
    """Write a gift and its first attempt to be paid; the same key and body again is the same gift.

    Raises:
        CampaignNotOpen, AmountRefused, NameRefused, TextRefused, AddressRefused, AddressNeeded: as they say.
        IdempotencyConflict: the key was used for another gift.
        IntegrityError: the same form arrived twice at one moment; asking again finds the gift.
    """
    known = find_started(asked)
    if known is not None:
        return known
    campaign = _checked_campaign(asked)
    told = PersonData(
        name=people.clean(asked.name, people.MAX_NAME),
        email=normal_address(asked.email) if asked.email.strip() else "",
        payer_name=people.clean(asked.payer_name, people.MAX_PAYER),
        payer_tax_no=asked.payer_tax_no,
    )
    if asked.receipt_rule in PERIOD_RULES and not told.email:
        raise AddressNeeded
    expires_at = clock.now() + ways.order_time(asked.product)
    gift = _unpaid_gift(asked, campaign, told, expires_at)
    db.session.add(gift)
    db.session.flush()
    people.keep(gift.id, told)
    payments.create_attempt(gift.id, asked.product, asked.amount, expires_at, gift.order_no)
    return gift


def _checked_campaign(asked: StartGift) -> Campaign:
    campaign = campaigns.get_public(asked.campaign_slug)
    if not campaign.is_open:
        raise CampaignNotOpen
    is_within = campaign.min_fen <= asked.amount.minor <= campaign.max_fen
    if asked.amount.currency != "CNY" or not is_within:
        raise AmountRefused
    return campaign


def _unpaid_gift(
    asked: StartGift, campaign: Campaign, told: PersonData, expires_at: datetime
) -> Gift:
    message, now = people.clean_message(asked.message), clock.now()
    is_period = asked.receipt_rule in PERIOD_RULES
    return Gift(
        ref=references.gift_reference(),
        order_no=references.order_number(),
        token=references.secret_token(),
        idempotency_key=asked.idempotency_key[:KEY_LENGTH],
        body_hash=asked.body_hash(),
        campaign_id=campaign.id,
        fund_id=campaign.fund_id,
        amount_fen=asked.amount.minor,
        channel=asked.product.provider,
        state=GiftState.CREATED,
        display=asked.display,
        display_name=people.public_name(asked.display, told.name),
        message=message or None,
        message_state=MessageState.PENDING if message else MessageState.NONE,
        wants_fiscal_receipt=asked.wants_fiscal_receipt,
        receipt_rule=asked.receipt_rule,
        receipt_group=people.group(told.name, told.email) if is_period else None,
        locale=asked.locale,
        consent_at=now,
        created_at=now,
        expires_at=expires_at,
    )


def find_started(asked: StartGift) -> Gift | None:
    """Return the gift that the same form started before, None when there is none.

    Raises:
        IdempotencyConflict: the key was used for another gift.
    """
    known = _by_key(asked.idempotency_key)
    if known is not None and known.body_hash != asked.body_hash():
        raise IdempotencyConflict
    return known


def try_again(gift: Gift, product: Product) -> Attempt:
    """Write another attempt for an unpaid gift: another way to pay, or the first one ran out.

    Raises:
        AttemptOver: the gift is paid already.
        CampaignNotOpen: the campaign has ended.
    """
    locked = db.session.execute(
        select(Gift)
        .where(Gift.id == gift.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    if locked.is_paid:
        raise AttemptOver
    if not campaigns.get_by_id(locked.campaign_id).is_open:
        raise CampaignNotOpen
    now = clock.now()
    latest = payments.latest(locked.id)
    is_usable = latest is not None and latest.is_live and latest.expires_at > now
    if latest is not None and is_usable and latest.product == product:
        return latest
    locked.state, locked.expires_at = GiftState.CREATED, now + ways.order_time(product)
    locked.channel = product.provider
    db.session.flush()
    return payments.create_attempt(locked.id, product, Money(locked.amount_fen), locked.expires_at)


def change_display(gift: Gift, display: Display, name: str) -> None:
    """Change how a donor is named in public; the name they told before is used when none is given."""
    told = people.clean(name, people.MAX_NAME) or people.read(gift.id).name
    gift.display_name = people.public_name(display, told)
    gift.display = display
    db.session.flush()


def withdraw_message(gift: Gift) -> None:
    """Take a donor's message from public view for good."""
    gift.message, gift.message_state = None, MessageState.NONE
    db.session.flush()


def moderate(gift_id: UUID, actor_id: UUID, *, is_approved: bool) -> None:
    """Let a waiting message be seen, or not; one that a colleague decided on meanwhile stays. Raises GiftNotFound."""
    gift = db.session.get(Gift, gift_id, with_for_update=True, populate_existing=True)
    if gift is None:
        raise GiftNotFound
    if gift.message_state != MessageState.PENDING:
        return
    gift.message_state = MessageState.APPROVED if is_approved else MessageState.HIDDEN
    db.session.flush()
    audit.record(f"message.{gift.message_state}", f"gift:{gift.ref}", actor_id, {})


def _by_key(key: str) -> Gift | None:
    query = select(Gift).where(Gift.idempotency_key == key[:KEY_LENGTH])
    return db.session.execute(query).scalar_one_or_none()
