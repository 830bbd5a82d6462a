"""Checks that counts, papers, gifts and the cash account agree."""

from fundraising.ledger import checks

checks.register(
    "every booked count is its gifts, to the fen",
    """
    SELECT format('count %s: counted %s, lines %s, gifts %s', c.number, c.cash_fen + c.cheque_fen, s.lines,
                  s.gifts) AS what
    FROM counter_count c
    CROSS JOIN LATERAL (SELECT coalesce(sum(l.amount_fen), 0) AS lines, coalesce(sum(g.amount_fen), 0) AS gifts
                        FROM counter_line l LEFT JOIN giving_gift g ON g.id = l.id AND g.channel = l.method
                        WHERE l.count_id = c.id) AS s
    WHERE c.state = 'booked' AND (s.lines, s.gifts) IS DISTINCT FROM
          ((c.cash_fen + c.cheque_fen)::numeric, (c.cash_fen + c.cheque_fen)::numeric)
    """,
)
checks.register(
    "receipt books have no gaps, and every used paper is one booked gift",
    """
    SELECT format('book %s: next %s, papers %s, used %s, gifts %s', b.code, b.next_number, s.n, s.used, g.n) AS what
    FROM counter_book b
    CROSS JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE state = 'used') AS used,
                               coalesce(max(number), b.first_number - 1) AS last
                        FROM counter_slip WHERE book_id = b.id) AS s
    CROSS JOIN LATERAL (SELECT count(*) AS n FROM counter_line l JOIN counter_count c ON c.id = l.count_id
                        WHERE l.book_id = b.id AND c.state = 'booked') AS g
    WHERE s.n <> b.next_number - b.first_number OR s.last <> b.next_number - 1 OR s.used <> g.n
    """,
)
checks.register(
    "no more cash leaves the box than is in it",
    """
    SELECT format('account 1001: %s', sum(amount_minor)) AS what FROM ledger_posting
    WHERE account = '1001' HAVING sum(amount_minor) < 0
    """,
)
