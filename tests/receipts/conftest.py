"""Receipts are about gifts: what giving needs, and gifts that are paid."""

from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from fundraising.giving import settlement
from fundraising.giving.models import Gift
from tests.giving.conftest import campaign, start, wechatpay
from tests.giving.test_settlement import paid

__all__ = ["campaign", "start", "wechatpay"]


@pytest.fixture
def paid_gift(start: Callable[..., Gift], session: Session) -> Callable[..., Gift]:
    """Makes a gift of so many fen that was paid, at a moment if one is given."""

    def made(fen: int = 10_000, at: datetime | None = None, **more: object) -> Gift:
        gift = start(fen, **more)
        settlement.apply_facts([paid(gift, fact_ref=gift.order_no, attempt=None)])
        session.refresh(gift)
        if at is not None:
            gift.paid_at = at
            session.flush()
        return gift

    return made


@pytest.fixture
def refund(session: Session) -> Callable[[Gift, int], None]:
    """Notes that so many fen of a gift went back, as settlement will."""

    def noted(gift: Gift, fen: int) -> None:
        gift.refunded_fen += fen
        session.flush()

    return noted
