"""Making and changing staff accounts."""

import secrets
from uuid import UUID

from sqlalchemy import func, select

from fundraising import clock
from fundraising.accounts.errors import AccountExists, LastAdministrator, UnknownRole
from fundraising.accounts.models import Role, User
from fundraising.accounts.roles import ADMINISTRATOR, ROLES
from fundraising.audit import service as audit
from fundraising.database import db
from fundraising.mail.service import normal_address


def role(name: str) -> Role:
    """Return a role's row, making it on first use. Raises UnknownRole."""
    if name not in ROLES:
        raise UnknownRole
    found = db.session.execute(select(Role).where(Role.name == name)).scalar_one_or_none()
    if found is None:
        found = Role(name=name)
        db.session.add(found)
        db.session.flush()
    return found


def create(
    email: str,
    role_name: str,
    *,
    name: str = "",
    password_hash: str | None = None,
    actor_id: UUID | None = None,
) -> User:
    """Make an account with one role. Without a password its owner sets one from the invitation.

    Raises:
        AccountExists: the address has an account already.
        UnknownRole, AddressRefused: as they say.
    """
    address = normal_address(email)
    if find(address) is not None:
        raise AccountExists
    user = User(
        email=address,
        name=name,
        password=password_hash,
        active=True,
        fs_uniquifier=secrets.token_hex(32),
        confirmed_at=clock.now(),
        roles=[role(role_name)],
    )
    db.session.add(user)
    db.session.flush()
    audit.record("staff.created", f"staff:{user.id}", actor_id, {"role": role_name})
    return user


def find(email: str) -> User | None:
    """Return the account of an address, whatever its letters' case, None when there is none."""
    query = select(User).where(func.lower(User.email) == email.lower())
    return db.session.execute(query).scalar_one_or_none()


def set_roles(user: User, names: list[str], actor_id: UUID | None) -> None:
    """Give an account these roles; every session of the account ends.

    Raises:
        LastAdministrator: nobody would be left to manage staff.
        UnknownRole: as it says.
    """
    if ADMINISTRATOR not in names:
        _keep_an_administrator(user)
    user.roles = [role(name) for name in sorted(set(names))]
    user.fs_uniquifier = secrets.token_hex(32)
    db.session.flush()
    audit.record("staff.roles_set", f"staff:{user.id}", actor_id, {"roles": sorted(set(names))})


def set_active(user: User, actor_id: UUID | None, *, is_active: bool) -> None:
    """Let an account in or shut it out; every session of it ends at once.

    Raises:
        LastAdministrator: nobody would be left to manage staff.
    """
    if not is_active:
        _keep_an_administrator(user)
    user.active = is_active
    user.fs_uniquifier = secrets.token_hex(32)
    db.session.flush()
    action = "staff.let_in" if is_active else "staff.shut_out"
    audit.record(action, f"staff:{user.id}", actor_id, {})


def list_staff(limit: int = 500) -> list[User]:
    """Return all accounts by address."""
    return list(db.session.execute(select(User).order_by(User.email).limit(limit)).scalars())


def names_of(ids: set[UUID]) -> dict[UUID, str]:
    """Return how colleagues see the accounts."""
    rows = db.session.execute(select(User).where(User.id.in_(ids))).scalars()
    return {user.id: user.label for user in rows}


def _keep_an_administrator(leaving: User) -> None:
    others = [
        user
        for user in list_staff()
        if user.id != leaving.id and user.active and ADMINISTRATOR in {r.name for r in user.roles}
    ]
    is_one = ADMINISTRATOR in {r.name for r in leaving.roles}
    if is_one and not others:
        raise LastAdministrator
