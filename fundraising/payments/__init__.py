"""Collecting money: providers, attempts, notices, facts, bank statements. Knows nothing of gifts."""
