"""Fixtures of slices, beside those of the database."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password
from sqlalchemy.orm import Session

from fundraising.accounts import service as accounts
from fundraising.accounts.models import User
from tests import factories
from tests.workshop import Workshop

PASSWORD = "correct horse battery staple"


@pytest.fixture
def make_staff(session: Session) -> Callable[..., User]:
    """Makes a member of staff with a role."""
    del session
    count = 0

    def made(role: str, name: str = "") -> User:
        nonlocal count
        count += 1
        return accounts.create(
            f"{role}{count}@example.org",
            role,
            name=name or f"{role} {count}",
            password_hash=hash_password(PASSWORD),
        )

    return made


@pytest.fixture
def staff_client(app: Flask, make_staff: Callable[..., User]) -> Callable[..., FlaskClient]:
    """Opens a browser in which a member of staff is signed in."""

    def opened(role_or_user: str | User) -> FlaskClient:
        user = make_staff(role_or_user) if isinstance(role_or_user, str) else role_or_user
        app.config["WTF_CSRF_ENABLED"] = False
        browser = app.test_client()
        with browser.session_transaction() as cookie:
            cookie["_user_id"] = user.fs_uniquifier
            cookie["_fresh"] = True
            cookie["fs_cc"] = "set"
            cookie["fs_paa"] = 9e12
        return browser

    return opened


@pytest.fixture
def workshop(session: Session, make: factories.Make, make_staff: Callable[..., User]) -> Workshop:
    """A campaign with money and people who buy, approve and install."""
    return Workshop(session, make, make_staff)
