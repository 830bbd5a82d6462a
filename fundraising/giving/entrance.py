"""The entrance that the form and the JSON share: once per key, through the gate, never twice.

It opens the transactions of its request, so that a puzzle answered wrongly is used up although the
gift it was for is not begun.
"""

from collections.abc import Callable

from sqlalchemy.exc import IntegrityError

from fundraising.database import transaction
from fundraising.floods import service as floods
from fundraising.floods.errors import PuzzleWanted
from fundraising.floods.puzzles import Solution
from fundraising.floods.service import Visit
from fundraising.giving import service
from fundraising.giving.models import Gift
from fundraising.giving.service import StartGift
from fundraising.payments import service as payments
from fundraising.payments.models import Attempt
from fundraising.payments.providers.base import Product

Along = Callable[[Gift], object]


def alone(_gift: Gift) -> object:
    """Let nothing go along with a gift: it belongs to nothing else."""


def start(
    asked: StartGift,
    visit: Callable[[], Visit],
    solution: Solution | None,
    along: Along = alone,
) -> Gift:
    """Start a gift, or return the one that the same form started before, without asking anything.

    ``along`` is done in the new gift's own transaction: both stand, or neither.

    Raises:
        PuzzleWanted, TooManyCheckouts: see floods; no gift was begun and no provider was asked.
        DomainError: what ``service.start_gift`` refuses.
    """
    with transaction():
        known = service.find_started(asked)
    if known is not None:
        return known
    who = visit()
    try:
        with transaction():
            floods.enter(who, solution)
            gift = service.start_gift(asked)
            along(gift)
            attempt = payments.latest(gift.id)
            assert attempt is not None
            floods.note(attempt.id, who)
            return gift
    except IntegrityError:  # the doubled form won the race: its gift is ours
        with transaction():
            known = service.find_started(asked)
            if known is None:
                raise
            return known
    except PuzzleWanted:
        with transaction():
            known = service.find_started(asked)
            if known is None:
                floods.burn(solution)
        if known is not None:
            return known
        raise


def again(gift: Gift, product: Product, visit: Visit, solution: Solution | None) -> Attempt:
    """Write another attempt for an unpaid gift through the same gate; one that still stands is given back.

    Raises:
        PuzzleWanted, TooManyCheckouts: see floods.
        AttemptOver, CampaignNotOpen: see ``service.try_again``.
    """
    before = payments.latest(gift.id)
    try:
        with transaction():
            attempt = service.try_again(gift, product)
            if before is None or attempt.id != before.id:
                floods.enter(visit, solution)
                floods.note(attempt.id, visit)
            return attempt
    except PuzzleWanted:
        with transaction():
            floods.burn(solution)
        raise
