"""What a provider says twice in two ways: the first word stands, and a person is asked to look."""

from collections.abc import Mapping, Sequence

from fundraising.audit import service as audit
from fundraising.money import Money
from fundraising.payments import facts, inbox, reviews
from fundraising.payments.facts import FactKey
from fundraising.payments.inbox import ClaimedNotice
from fundraising.payments.models import ReviewKind
from fundraising.payments.providers.base import Fact, FactKind

MOVES = (FactKind.PAID, FactKind.REFUNDED, FactKind.DISPUTED, FactKind.RETURNED)
OTHER_AMOUNT, OTHER_CONTENT = (
    "the same movement with another amount",
    "the same number with other content",
)


def look(told: Mapping[FactKey, Fact], known: Mapping[FactKey, Money]) -> None:
    """Open a review for each fact that is known with another amount."""
    for key, amount in known.items():
        fact = told[key]
        if fact.kind in MOVES and fact.amount != amount:
            detail = {"ref": fact.fact_ref, "reason": OTHER_AMOUNT, "amount_fen": fact.amount.minor}
            name = ":".join([*key, str(fact.amount.minor), fact.amount.currency])
            reviews.open_review(ReviewKind.UNPARSABLE, f"contradiction:{name}", detail)


def compare(notice: ClaimedNotice, told: Sequence[Fact]) -> None:
    """Compare a notice with what its number meant before; it changes nothing, whatever it says.

    A copy that says the same in other bytes is of no matter. While the first one waits, so does this one.
    """
    if not inbox.is_first_done(notice):
        if inbox.failed(notice.id, "waits for the first of its number"):
            audit.raise_alarm("payments:inbox:dead", {"notice": notice.id})
        return
    known = facts.amounts([facts.key(fact) for fact in told if fact.kind in MOVES])
    is_same = all(known.get(facts.key(fact)) == fact.amount for fact in told if fact.kind in MOVES)
    if not is_same:
        detail = {"notice": notice.id, "reason": OTHER_CONTENT}
        key = f"{notice.provider}:{notice.dedup_key}"
        reviews.open_review(ReviewKind.UNPARSABLE, key, detail)
    inbox.done([notice.id])
