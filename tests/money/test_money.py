"""Money is whole fen: nothing is lost in sums and splits, and nothing that is no amount gets in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fundraising import money
from fundraising.i18n import fen, fen_plain, fen_short
from fundraising.money import MAX_MINOR, MixedCurrencies, Money, MoneyError

amounts = st.integers(-MAX_MINOR, MAX_MINOR)
small = st.integers(-(10**12), 10**12)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=40).filter(any)


@given(minor=amounts, parts=weights)
def test_splitting_loses_nothing_and_is_fair_to_the_fen(minor: int, parts: list[int]) -> None:
    shares = Money(minor).split(parts)

    assert sum(share.minor for share in shares) == minor
    for share, weight in zip(shares, parts, strict=True):
        exact = Decimal(minor) * weight / sum(parts)
        assert abs(Decimal(share.minor) - exact) < 1
        assert weight or not share.minor


@given(minor=amounts, parts=weights)
def test_splitting_again_gives_the_same(minor: int, parts: list[int]) -> None:
    assert Money(minor).split(parts) == Money(minor).split(parts)


def test_the_odd_fen_go_to_the_largest_remainders() -> None:
    assert [m.minor for m in Money(100).split([1, 1, 1])] == [34, 33, 33]
    assert [m.minor for m in Money(-100).split([1, 1, 1])] == [-34, -33, -33]
    assert [m.minor for m in Money(1).split([1, 2])] == [0, 1]


@pytest.mark.parametrize("parts", [[], [0, 0], [2, -1]])
def test_without_a_positive_weight_nothing_can_be_split(parts: list[int]) -> None:
    with pytest.raises(MoneyError):
        Money(100).split(parts)


@given(a=small, b=small)
def test_sums_and_differences_undo_each_other(a: int, b: int) -> None:
    assert Money(a) + Money(b) - Money(b) == Money(a)
    assert Money(a) + (-Money(a)) == Money.zero()
    assert (Money(a) < Money(b)) == (a < b)
    assert (Money(a) <= Money(b)) == (a <= b)


@pytest.mark.parametrize("minor", [1.0, "1", True, None, Decimal(1)])
def test_what_is_no_whole_number_is_refused(minor: object) -> None:
    with pytest.raises(MoneyError):
        Money(minor)  # type: ignore[arg-type]


def test_currencies_never_mix() -> None:
    with pytest.raises(MixedCurrencies):
        Money(1) + Money(1, "USD")
    with pytest.raises(MixedCurrencies):
        money.total([Money(1), Money(1, "USD")])
    with pytest.raises(MoneyError):
        Money(1) + 1  # type: ignore[operator]
    with pytest.raises(MoneyError):
        Money(1, "XXX")


def test_an_amount_beyond_all_sums_is_refused() -> None:
    with pytest.raises(MoneyError):
        Money(MAX_MINOR + 1)
    with pytest.raises(MoneyError):
        Money(MAX_MINOR) + Money(1)


def test_money_is_multiplied_by_whole_numbers_only() -> None:
    assert Money(1_157_600).times(34) == Money(39_358_400)
    with pytest.raises(MoneyError):
        Money(1).times(1.5)  # type: ignore[arg-type]


@given(minor=st.integers(0, 10**12))
def test_what_is_written_plainly_reads_back(minor: int) -> None:
    assert Money.parse_yuan(fen_plain(minor)) == Money(minor)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "1,000",
        "1e3",
        "01",
        ".5",
        "1.",
        "1.234",
        "１００",
        "١٢",
        "1\n",
        "NaN",
        "¥1",
    ],
)
def test_what_is_no_canonical_amount_is_not_read(text: str) -> None:
    with pytest.raises(MoneyError):
        Money.parse_yuan(text)


@given(text=st.text(max_size=12))
def test_no_text_whatever_reads_as_a_wrong_amount(text: str) -> None:
    try:
        found = Money.parse_yuan(text)
    except MoneyError:
        return
    assert found.decimal() == Decimal(text)
    assert text.isascii()


def test_amounts_are_written_as_people_write_them() -> None:
    assert fen(39_360_000) == "¥393,600.00"
    assert fen(-5) == "\u2212¥0.05"
    assert (fen_short(10_000), fen_short(10_050)) == ("¥100", "¥100.50")
    assert fen_plain(-1_157_605) == "-11576.05"


def test_the_sum_of_none_is_nothing() -> None:
    assert money.total([]) == Money.zero()
    assert not Money.zero()
    assert money.total([Money(1), Money(2)]) == Money(3)
    assert Money(500, "JPY").decimal() == Decimal(500)
