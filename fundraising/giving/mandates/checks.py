"""Checks that months, gifts and payments of mandates agree."""

from fundraising.ledger import checks

checks.register(
    "no month of a monthly gift has two payments that count",
    """
    SELECT format('mandate %s, %s: %s payments booked as its gift', m.ref, p.period, count(*)) AS what
    FROM mandate_period p
    JOIN mandate m ON m.id = p.mandate_id
    JOIN payment_attempt a ON a.order_id = p.gift_id
    JOIN payment_fact f ON f.attempt_id = a.id AND f.kind = 'paid' AND f.outcome = 'settled'
    GROUP BY m.ref, p.period HAVING count(*) > 1
    """,
)
checks.register(
    "every month's gift is its mandate's, of the month's amount, and paid where it says so",
    """
    SELECT format('mandate %s, %s: %s of %s fen, gift %s of %s fen', m.ref, p.period, p.state, p.amount_fen,
                  g.ref, g.amount_fen) AS what
    FROM mandate_period p
    JOIN mandate m ON m.id = p.mandate_id
    JOIN giving_gift g ON g.id = p.gift_id
    WHERE g.campaign_id <> m.campaign_id OR g.amount_fen <> p.amount_fen
       OR (p.state = 'paid' AND g.paid_at IS NULL)
    """,
)
checks.register(
    "no monthly gift was begun after its mandate had ended",
    """
    SELECT format('mandate %s ended %s: %s asked %s, gift begun %s', m.ref, m.ended_at, p.period, p.asked_at,
                  g.created_at) AS what
    FROM mandate m
    JOIN mandate_period p ON p.mandate_id = m.id
    LEFT JOIN giving_gift g ON g.id = p.gift_id
    WHERE p.asked_at > m.ended_at OR g.created_at > m.ended_at
    """,
)
checks.register(
    "every monthly gift charged by agreement has the one that stands",
    """
    SELECT format('mandate %s is charged by %s under %s, and no such agreement stands', m.ref, m.way, m.means_ref)
           AS what
    FROM mandate m
    WHERE m.way IN ('wechatpay', 'alipay') AND m.state <> 'ended' AND NOT EXISTS (
        SELECT FROM mandate_contract c
        WHERE c.mandate_id = m.id AND c.way = m.way AND c.number = m.means_ref AND c.state = 'standing')
    """,
)
