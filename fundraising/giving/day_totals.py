"""What came in on each day of a campaign: rows are added with every set of gifts, and folded by a task."""

from uuid import UUID

from sqlalchemy import text

from fundraising.database import db


def add(days: dict[tuple[UUID, str], list[int]]) -> None:
    """Append rows to the days' totals: fen, gifts, new people, gifts whose payer is unknown."""
    db.session.execute(
        text(
            """
            INSERT INTO giving_day_total (campaign_id, day, amount_fen, gifts, people, anonymous_payers)
            SELECT * FROM unnest(CAST(:campaigns AS uuid[]), CAST(:days AS text[]), CAST(:fens AS bigint[]),
                                 CAST(:gifts AS bigint[]), CAST(:people AS bigint[]), CAST(:unknown AS bigint[]))
            """
        ),
        {
            "campaigns": [key[0] for key in days],
            "days": [key[1] for key in days],
            "fens": [value[0] for value in days.values()],
            "gifts": [value[1] for value in days.values()],
            "people": [value[2] for value in days.values()],
            "unknown": [value[3] for value in days.values()],
        },
    )


def fold() -> int:
    """Fold the rows of each day into one; return how many rows went."""
    result = db.session.execute(
        text(
            """
            WITH crowded AS (
                SELECT campaign_id, day FROM giving_day_total GROUP BY campaign_id, day
                HAVING count(*) > 1 LIMIT 200
            ), moved AS (
                DELETE FROM giving_day_total d USING crowded c
                WHERE (d.campaign_id, d.day) = (c.campaign_id, c.day) RETURNING d.*
            ), kept AS (
                INSERT INTO giving_day_total (campaign_id, day, amount_fen, gifts, people, anonymous_payers)
                SELECT campaign_id, day, sum(amount_fen), sum(gifts), sum(people), sum(anonymous_payers)
                FROM moved GROUP BY campaign_id, day RETURNING 1
            )
            SELECT count(*) FROM moved
            """
        )
    )
    return int(result.scalar_one())
