"""Matching: somebody pledges to add to gifts of others, by a rule and from a pool; each match a lot of its own."""
