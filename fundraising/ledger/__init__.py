"""Append-only double entry: the only place where money is true."""
