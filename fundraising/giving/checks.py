"""Checks that gifts, facts, lots and the journal agree."""

from fundraising.ledger import checks

checks.register(
    "every paid gift is one lot of its amount, and the reverse",
    """
    SELECT format('gift %s: %s paid, lot %s', coalesce(g.ref, l.source_id::text), g.amount_fen,
                  l.end_fen - l.start_fen) AS what
    FROM (SELECT * FROM giving_gift WHERE paid_at IS NOT NULL) AS g
    FULL JOIN (SELECT * FROM fund_lot WHERE source = 'gift') AS l ON l.source_id = g.id
    WHERE g.id IS NULL OR l.source_id IS NULL OR g.amount_fen <> l.end_fen - l.start_fen
       OR g.fund_id <> l.fund_id
    """,
)
checks.register(
    "every fact of money is booked once for its amount",
    """
    SELECT format('fact %s: %s said, %s booked', f.fact_ref, f.amount_fen, p.amount_minor) AS what
    FROM payment_fact f
    LEFT JOIN ledger_entry e ON e.key = 'fact:' || f.id
    LEFT JOIN ledger_posting p ON p.entry_id = e.id AND p.amount_minor > 0
    WHERE f.kind = 'paid' AND (p.amount_minor IS NULL OR p.amount_minor <> f.amount_fen)
    """,
)
checks.register(
    "days add up to what campaigns raised",
    """
    SELECT format('campaign %s: days %s of %s, gifts %s of %s', c.slug, d.fen, d.gifts, g.fen, g.gifts) AS what
    FROM campaign c
    LEFT JOIN (SELECT campaign_id, sum(amount_fen) AS fen, sum(gifts) AS gifts
               FROM giving_day_total GROUP BY campaign_id) AS d ON d.campaign_id = c.id
    LEFT JOIN (SELECT campaign_id, sum(amount_fen) AS fen, count(*) AS gifts
               FROM giving_gift WHERE paid_at IS NOT NULL GROUP BY campaign_id) AS g ON g.campaign_id = c.id
    WHERE (d.fen, d.gifts) IS DISTINCT FROM (g.fen, g.gifts)
    """,
)
checks.register(
    "gifts that went back whole are not counted as received",
    """
    SELECT format('fund %s: %s counted as gone, %s are', l.fund_id, l.gifts_gone, g.gone) AS what
    FROM fund_lane l
    CROSS JOIN LATERAL (SELECT count(*) AS gone FROM giving_gift
                        WHERE fund_id = l.fund_id AND state = 'refunded') AS g
    WHERE l.gifts_gone <> g.gone
    """,
)
checks.register(
    "every placed bank line is one gift of its amount",
    """
    SELECT format('placing %s: line %s, gift %s', p.id, b.amount_fen, g.amount_fen) AS what
    FROM giving_placing p
    JOIN payment_bank_line b ON b.id = p.bank_line_id
    LEFT JOIN giving_gift g ON g.id = p.gift_id AND g.paid_at IS NOT NULL
    WHERE p.state = 'booked' AND g.amount_fen IS DISTINCT FROM b.amount_fen
    """,
)
