"""Work to do, written in the same transaction as its cause."""
