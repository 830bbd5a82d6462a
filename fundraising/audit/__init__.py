"""Who did what: an append-only log of staff actions."""
