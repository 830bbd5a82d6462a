"""Numbered cases of what people and robots type: amounts out of range, and text that makes patterns run wild."""

import inspect
import re
import signal
import sys
from collections.abc import Iterator
from time import process_time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fundraising.campaigns.models import Campaign
from tests.giving.test_pages import gifts, post

PIECES = ("a", "0", " ", "-", ".", "\t", "/", "<", "&a", "中", "a@", "1,", "A-", "\\n", "://a.")
LIMIT = 0.05


@pytest.mark.parametrize(
    "amount",
    ["0.99", "0.01", "200000.01", "92233720368547758.07", "9223372036854775808", "9" * 400],
)
def test_atk_030_an_amount_out_of_range_is_refused_with_its_message(
    client: FlaskClient, campaign: Campaign, session: Session, amount: str
) -> None:
    status, page = post(client, campaign, own_amount=amount)

    assert (status, gifts(session)) == (422, 0)
    assert "own_amount" in page


def patterns() -> dict[str, tuple[re.Pattern[str], list[str]]]:
    """Every pattern that a module of the product keeps, with the ways in which the module uses it."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] not in ("fundraising", "config"):
            continue
        for word, value in vars(module).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                source = inspect.getsource(module)
                is_looked_for = re.search(
                    rf"\b{word}\.(search|sub|findall|finditer|split)\b", source
                )
                found[f"{name}.{word}"] = (
                    value,
                    ["fullmatch", *(["search"] if is_looked_for else [])],
                )
    return found


def seconds(pattern: re.Pattern[str], way: str, text: str) -> float:
    before = process_time()
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        getattr(pattern, way)(text)
    except TimeoutError:
        return 1.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return process_time() - before


@pytest.fixture
def stopped() -> Iterator[None]:
    """Ends a pattern that runs wild."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.signal(signal.SIGALRM, before)


def test_atk_053_no_pattern_runs_wild(app: Flask, stopped: None) -> None:
    assert app.name
    found = patterns()
    slow = [
        f"{name}.{way} on {piece!r}"
        for name, (pattern, ways) in found.items()
        for way in ways
        for piece in PIECES
        if seconds(pattern, way, piece * (50_000 // len(piece)) + "!") > LIMIT
    ]

    assert len(found) > 20
    assert slow == []
