"""Lists reach PostgreSQL as they are, whichever way they were written."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from fundraising import arrays
from fundraising.payments.providers.base import FactKind

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
COLUMNS = st.one_of(
    st.tuples(st.just("text"), st.lists(st.none() | TEXTS | st.sampled_from(["NULL", "", '\\"{,}']))),
    st.tuples(st.just("uuid"), st.lists(st.none() | st.uuids())),
    st.tuples(st.just("bigint"), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.just("bytea"), st.lists(st.none() | st.binary())),
    st.tuples(st.just("date"), st.lists(st.none() | st.dates())),
    st.tuples(
        st.just("timestamptz"),
        st.lists(st.none() | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC))),  # noqa: DTZ001  a bound
    ),
)  # fmt: skip


@given(COLUMNS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_column_comes_back_as_it_was_sent(
    session: Session, column: tuple[str, list[Any]]
) -> None:
    kind, values = column
    query = text(f"SELECT CAST(:values AS {kind}[])")

    found = session.execute(query, {"values": values}).scalar_one()

    assert [bytes(v) if kind == "bytea" and v is not None else v for v in found] == values


def test_what_is_plain_goes_the_short_way() -> None:
    assert arrays.literal(["a", 'b"\\', None]) == b'{"a","b\\"\\\\",NULL}'
    assert arrays.literal([FactKind.PAID]) == b'{"paid"}'
    assert arrays.literal([UUID(int=1), date(2026, 1, 2)]) is None
    assert arrays.literal([True, False]) is None
    assert arrays.literal([]) is None


def test_a_text_that_postgresql_cannot_hold_is_refused_not_cut_off(session: Session) -> None:
    with pytest.raises(DataError):
        session.execute(text("SELECT CAST(:values AS text[])"), {"values": ["a\0b"]})
