"""Who opened which checkout lately (keyed hashes, kept a day), and puzzles that were used."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fundraising.database import Base


class OpenedCheckout(Base):
    """One attempt to pay and where it came from; addresses and browsers only as keyed hashes."""

    __tablename__ = "flood_checkout"
    __table_args__ = (
        Index("ix_flood_checkout_address", "address_key", "at"),
        Index("ix_flood_checkout_device", "device_key", "at"),
        Index("ix_flood_checkout_campaign", "campaign_id", "at"),
        Index("ix_flood_checkout_at", "at"),
    )

    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("payment_attempt.id"), primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id"))
    address_key: Mapped[str]
    device_key: Mapped[str | None]
    at: Mapped[datetime]


class SpentPuzzle(Base):
    """A puzzle that was solved or failed: it opens nothing a second time."""

    __tablename__ = "flood_spent_puzzle"

    nonce: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
