"""Letters: sealed until they are sent, emptied when kept long enough."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from fundraising import clock
from fundraising.database import Base, uuid_pk


class Letter(Base):
    """One letter to one reader. The reader, subject and text are sealed together."""

    __tablename__ = "mail_letter"

    id: Mapped[UUID] = uuid_pk()
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    sealed: Mapped[bytes | None]
    attachment_kind: Mapped[str | None]
    attachment_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    sent_at: Mapped[datetime | None]
