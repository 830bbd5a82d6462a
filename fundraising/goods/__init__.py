"""Goods given in kind: taken in by two people, stored, handed out; never on a lane of money."""
