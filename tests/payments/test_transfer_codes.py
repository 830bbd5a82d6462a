"""A code of a transfer survives what people and banks do to it, and a mistyped one is noticed."""

import string
from collections.abc import Callable

from hypothesis import assume, given
from hypothesis import strategies as st

from fundraising.payments import transfer_codes as codes

PLACES = st.integers(0, codes.LENGTH - 1)
MADE = st.builds(codes.new)
BETWEEN = st.sampled_from(["", " ", "  ", "-", " - ", "\u3000", "－", "_", ".", "\u00a0", "\u200b"])
WIDE = {ord(c): ord(c) + 0xFEE0 for c in string.ascii_letters + string.digits}


def test_codes_have_no_look_alikes_and_differ() -> None:
    made = {codes.new() for _ in range(2000)}

    assert len(made) == 2000
    assert not set("".join(made)) & set("0O1I")
    assert all(codes.is_valid(code) for code in made)


@given(MADE)
def test_a_code_is_printed_in_groups_and_read_back(code: str) -> None:
    assert [len(group) for group in codes.shown(code).split(" ")] == [3, 3, 3]
    assert codes.found_in(codes.shown(code)) == [code]


@given(
    MADE,
    st.lists(BETWEEN, min_size=9, max_size=9),
    st.sampled_from([str.lower, str.upper]),
    st.sampled_from([{}, WIDE]),
)
def test_spaces_dashes_lower_case_and_full_width_do_not_matter(
    code: str, between: list[str], case: Callable[[str], str], width: dict[int, int]
) -> None:
    written = "".join(a + b for a, b in zip(code, between, strict=True))
    written = case(written).translate(width)

    for memo in (f"捐款码：{written}，谢谢", f"GIFT {written} AED", f"{written}/守护生命"):
        assert code in codes.found_in(memo)


@given(MADE, PLACES, st.sampled_from(codes.ALPHABET))
def test_one_wrong_character_is_always_noticed(code: str, place: int, other: str) -> None:
    assume(code[place] != other)
    wrong = code[:place] + other + code[place + 1 :]

    assert not codes.is_valid(wrong)
    assert codes.nearly_in(f"附言 {codes.shown(wrong)}", code)
    assert not codes.nearly_in(codes.shown(code), code)


@given(MADE, PLACES, PLACES)
def test_two_characters_that_changed_places_are_always_noticed(code: str, a: int, b: int) -> None:
    assume(code[a] != code[b])
    swapped = list(code)
    swapped[a], swapped[b] = swapped[b], swapped[a]

    assert not codes.is_valid("".join(swapped))


@given(st.text())
def test_any_text_can_be_looked_through(text: str) -> None:
    assert all(codes.is_valid(code) for code in codes.found_in(text))


def test_what_is_no_code_is_not_valid() -> None:
    for text in ("", "AAA", "0" * 9, "O" * 9, codes.new() + "A"):
        assert not codes.is_valid(text)
