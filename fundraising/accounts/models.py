"""Staff users and their roles, in the shape Flask-Security expects."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask_security import AsaList, RoleMixin, UserMixin
from sqlalchemy import Column, ForeignKey, Index, Table, Text, Uuid, text
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fundraising import clock
from fundraising.accounts.roles import permissions_of
from fundraising.database import Base, uuid_pk

user_roles = Table(
    "account_user_role",
    Base.metadata,
    Column("user_id", Uuid, ForeignKey("account_user.id"), primary_key=True),
    Column("role_id", Uuid, ForeignKey("account_role.id"), primary_key=True),
)


class Role(Base, RoleMixin):
    """A role by its name; what it may do stands in ``roles.py``."""

    __tablename__ = "account_role"

    id: Mapped[UUID] = uuid_pk()
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    permissions: Mapped[Any] = mapped_column(MutableList.as_mutable(AsaList()), nullable=True)
    update_datetime: Mapped[datetime] = mapped_column(default=clock.now, onupdate=clock.now)


class User(Base, UserMixin):
    """A member of staff. ``fs_uniquifier`` is the session's key: a new one ends every session."""

    __tablename__ = "account_user"
    __table_args__ = (Index("uq_account_user_email_lower", text("lower(email)"), unique=True),)

    id: Mapped[UUID] = uuid_pk()
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(default="")
    password: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    confirmed_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    current_login_at: Mapped[datetime | None]
    last_login_ip: Mapped[str | None]
    current_login_ip: Mapped[str | None]
    login_count: Mapped[int | None]
    tf_primary_method: Mapped[str | None]
    tf_totp_secret: Mapped[str | None]
    tf_phone_number: Mapped[str | None]
    create_datetime: Mapped[datetime] = mapped_column(default=clock.now)
    update_datetime: Mapped[datetime] = mapped_column(default=clock.now, onupdate=clock.now)

    roles: Mapped[list[Role]] = relationship(secondary=user_roles, lazy="selectin")

    def may(self, permission: str) -> bool:
        """Whether one of the person's roles holds the permission."""
        return any(permission in permissions_of(role.name) for role in self.roles)

    @property
    def label(self) -> str:
        """How colleagues see this person."""
        return self.name or self.email
