"""Checks that what was accepted is what was drawn."""

from fundraising.ledger import checks

checks.register(
    "accepted purchase lines are their draws",
    """
    SELECT format('line %s of %s: accepted %s, drawn %s', l.position, p.number,
                  l.accepted * l.unit_price_fen, d.fen) AS what
    FROM purchase_line l JOIN purchase p ON p.id = l.purchase_id
    CROSS JOIN LATERAL (SELECT coalesce(sum(end_fen - start_fen), 0) AS fen FROM fund_draw
                        WHERE spending_line_id = l.spending_line_id AND superseded_at IS NULL) AS d
    WHERE l.accepted * l.unit_price_fen <> d.fen
    """,
)
