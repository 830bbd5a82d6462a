"""Checks that lanes, draws and the journal tell the same story."""

from fundraising.ledger import checks

checks.register(
    "lots of a fund lie end to end",
    """
    SELECT format('fund %s lot %s: starts %s, previous ended %s', fund_id, ordinal, start_fen, before) AS what
    FROM (SELECT fund_id, ordinal, start_fen,
                 lag(end_fen, 1, 0::bigint) OVER (PARTITION BY fund_id ORDER BY ordinal) AS before,
                 row_number() OVER (PARTITION BY fund_id ORDER BY ordinal) AS place
          FROM fund_lot) AS s
    WHERE start_fen <> before OR ordinal <> place
    """,
)
checks.register(
    "draws are lots less refunds less unspent",
    """
    SELECT format('fund %s: lane %s/%s/%s, rows %s/%s/%s', l.fund_id, l.end_fen, l.drawn_fen,
                  l.refunded_fen, lots, draws, refunds) AS what
    FROM fund_lane l
    CROSS JOIN LATERAL (SELECT coalesce(sum(end_fen - start_fen), 0) AS lots FROM fund_lot
                        WHERE fund_id = l.fund_id) AS a
    CROSS JOIN LATERAL (SELECT coalesce(sum(end_fen - start_fen), 0) AS draws FROM fund_draw
                        WHERE fund_id = l.fund_id AND superseded_at IS NULL) AS b
    CROSS JOIN LATERAL (SELECT coalesce(sum(end_fen - start_fen), 0) AS refunds FROM fund_lot_refund
                        WHERE fund_id = l.fund_id) AS c
    WHERE (lots, draws, refunds) IS DISTINCT FROM (l.end_fen::numeric, l.drawn_fen::numeric, l.refunded_fen::numeric)
    """,
)
checks.register(
    "no fen is drawn twice or drawn and refunded",
    """
    SELECT format('fund %s: draw at %s overlaps', fund_id, start_fen) AS what
    FROM (SELECT fund_id, start_fen, max(end_fen) OVER (PARTITION BY fund_id ORDER BY start_fen
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
          FROM (SELECT fund_id, start_fen, end_fen FROM fund_draw WHERE superseded_at IS NULL
                UNION ALL SELECT fund_id, start_fen, end_fen FROM fund_lot_refund) AS both_tables) AS s
    WHERE start_fen < reached
    """,
)
checks.register(
    "spending lines stay within their amounts",
    """
    SELECT format('line %s: %s drawn and %s reserved of %s', l.id, drawn, l.reserved_fen, l.amount_fen) AS what
    FROM fund_spending_line l
    CROSS JOIN LATERAL (SELECT coalesce(sum(end_fen - start_fen), 0) AS drawn FROM fund_draw
                        WHERE spending_line_id = l.id AND superseded_at IS NULL) AS d
    WHERE drawn + l.reserved_fen > l.amount_fen
    """,
)
checks.register(
    "reservations of a fund are those of its lines",
    """
    SELECT format('fund %s: lane %s, lines %s', l.fund_id, l.reserved_fen, s.reserved) AS what
    FROM fund_lane l
    CROSS JOIN LATERAL (SELECT coalesce(sum(reserved_fen), 0) AS reserved FROM fund_spending_line
                        WHERE fund_id = l.fund_id) AS s
    WHERE l.reserved_fen <> s.reserved
    """,
)
checks.register(
    "income of a fund is its lots less refunds",
    """
    SELECT format('fund %s: income %s, fees given back %s, lots %s, refunds %s', l.fund_id, i.income, f.fees,
                  l.end_fen, l.refunded_fen) AS what
    FROM fund_lane l
    CROSS JOIN LATERAL (SELECT coalesce(-sum(amount_minor), 0) AS income FROM ledger_posting
                        WHERE fund_id = l.fund_id AND account IN ('4101.01', '4101.02')) AS i
    CROSS JOIN LATERAL (SELECT coalesce(-sum(p.amount_minor), 0) AS fees
                        FROM ledger_entry e JOIN ledger_posting p ON p.entry_id = e.id AND p.account = '5301'
                        WHERE e.fund_id = l.fund_id AND e.kind = 'fee_returned') AS f
    WHERE i.income + f.fees <> l.end_fen - l.refunded_fen
    """,
)
