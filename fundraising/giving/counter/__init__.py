"""Cash and cheques over the counter: numbered paper receipts, two people, then the bank."""
