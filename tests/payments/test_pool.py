"""A database that went away and came back costs no request once connections have rested."""

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from fundraising import database
from local.postgres import Postgres


def _end_all(postgres: Postgres, name: str) -> None:
    with postgres.connect() as c:
        c.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = %s",
            (name,),
        )


@pytest.mark.parametrize(("least_rest", "fails"), [(0.0, 0), (60.0, 1)])
def test_a_rested_connection_that_was_cut_is_replaced_unseen(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, least_rest: float, fails: int
) -> None:
    monkeypatch.setattr(database, "REST_SECONDS", least_rest)
    name = f"cut-{fails}"
    engine = create_engine(postgres.url(), connect_args={"application_name": name})
    database.ping_idle(engine)
    held = [engine.connect() for _ in range(2)]
    for connection in held:
        connection.execute(text("SELECT 1"))
        connection.close()
    _end_all(postgres, name)

    failed = 0
    for _ in range(3):
        try:
            with engine.connect() as connection:
                assert connection.execute(text("SELECT 1")).scalar_one() == 1
        except (OperationalError, psycopg.Error):
            failed += 1
    engine.dispose()

    assert failed == fails
