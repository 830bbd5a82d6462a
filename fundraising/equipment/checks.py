"""Checks that every device's cost is what was drawn for it."""

from fundraising.ledger import checks

checks.register(
    "every device's cost is its draws",
    """
    SELECT format('%s: cost %s, drawn %s', d.no, d.cost_fen, w.fen) AS what
    FROM device d
    CROSS JOIN LATERAL (SELECT coalesce(sum(end_fen - start_fen), 0) AS fen FROM fund_draw
                        WHERE unit_id = d.id AND superseded_at IS NULL) AS w
    WHERE d.cost_fen <> w.fen
    """,
)
