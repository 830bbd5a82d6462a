"""One adapter per payment provider, all of one Protocol."""
