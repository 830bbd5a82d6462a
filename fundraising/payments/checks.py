"""Checks that lines of bank statements and the journal agree."""

from fundraising.ledger import checks

checks.register(
    "every booked bank line moves its amount on the bank account",
    """
    SELECT format('bank line %s: %s, booked %s', b.serial, b.amount_fen, p.moved) AS what
    FROM payment_bank_line b
    LEFT JOIN LATERAL (SELECT sum(amount_minor) AS moved FROM ledger_posting
                       WHERE entry_id = b.entry_id AND account = '1002') AS p ON true
    WHERE b.entry_id IS NOT NULL AND p.moved IS DISTINCT FROM b.amount_fen
    """,
)
checks.register(
    "every gift by transfer has its bank line",
    """
    SELECT format('fact %s: no bank line', f.fact_ref) AS what
    FROM payment_fact f
    JOIN ledger_entry e ON e.key = 'fact:' || f.id
    WHERE f.provider = 'bank' AND f.kind = 'paid'
      AND NOT EXISTS (SELECT FROM payment_bank_line b WHERE b.entry_id = e.id)
      AND NOT EXISTS (SELECT FROM payment_bank_line b
                      WHERE (b.bank_account, b.serial, b.amount_fen) = (f.account, f.fact_ref, f.amount_fen)
                        AND b.entry_id IS NOT NULL AND e.kind = 'suspense_resolved')
    """,
)
