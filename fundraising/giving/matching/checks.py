"""Checks that pledges, matches, lots and what matchers owe agree."""

from fundraising.ledger import checks

checks.register(
    "a pledge has committed what its matches stand for",
    """
    SELECT format('pledge %s: committed %s, matches %s', p.id, p.committed_fen, m.fen) AS what
    FROM matching_pledge p
    CROSS JOIN LATERAL (SELECT coalesce(sum(amount_fen - voided_fen), 0) AS fen FROM matching_match
                        WHERE pledge_id = p.id) AS m
    WHERE p.committed_fen <> m.fen
    """,
)
checks.register(
    "every match is one lot of its amount, and the reverse",
    """
    SELECT format('match %s: %s, lot %s, gone back %s of %s', coalesce(m.id, l.source_id), m.amount_fen,
                  l.end_fen - l.start_fen, r.fen, m.voided_fen) AS what
    FROM matching_match m
    FULL JOIN (SELECT * FROM fund_lot WHERE source = 'match') AS l ON l.source_id = m.id
    CROSS JOIN LATERAL (SELECT coalesce(sum(end_fen - start_fen), 0) AS fen FROM fund_lot_refund
                        WHERE source_id = l.source_id) AS r
    WHERE m.id IS NULL OR l.source_id IS NULL OR m.amount_fen <> l.end_fen - l.start_fen OR r.fen <> m.voided_fen
    """,
)
checks.register(
    "what matchers owe is their matches less their payments",
    """
    SELECT format('account 1122.01: %s, pledges %s', a.fen, p.fen) AS what
    FROM (SELECT coalesce(sum(amount_minor), 0) AS fen FROM ledger_posting WHERE account = '1122.01') AS a
    CROSS JOIN (SELECT coalesce(sum(committed_fen - paid_fen), 0) AS fen FROM matching_pledge) AS p
    WHERE a.fen <> p.fen
    """,
)
