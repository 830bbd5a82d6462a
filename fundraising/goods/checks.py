"""Checks that stock, movements and the account of goods agree."""

from fundraising.ledger import checks

checks.register(
    "the value of goods in stock is the balance of their account",
    """
    SELECT format('account 1201.02: %s, stock %s', a.booked, s.worth) AS what
    FROM (SELECT coalesce(sum(amount_minor), 0) AS booked FROM ledger_posting WHERE account = '1201.02') AS a
    CROSS JOIN (SELECT coalesce(sum(left_fen), 0) AS worth FROM goods_item) AS s
    WHERE a.booked <> s.worth
    """,
)
checks.register(
    "goods in stock are those received less those that left",
    """
    SELECT format('goods %s: left %s, places %s, movements %s', i.id, i.left_quantity, p.q, m.q) AS what
    FROM goods_item i
    CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS q FROM goods_stock WHERE item_id = i.id) AS p
    CROSS JOIN LATERAL (SELECT coalesce(sum(CASE kind WHEN 'received' THEN quantity
                                                      WHEN 'handed_out' THEN -quantity
                                                      WHEN 'written_off' THEN -quantity ELSE 0 END), 0) AS q,
                               coalesce(sum(CASE kind WHEN 'received' THEN value_fen
                                                      WHEN 'handed_out' THEN -value_fen
                                                      WHEN 'written_off' THEN -value_fen ELSE 0 END), 0) AS fen
                        FROM goods_movement WHERE item_id = i.id) AS m
    WHERE p.q <> i.left_quantity OR m.q <> i.left_quantity OR m.fen <> i.left_fen
    """,
)
