"""The other side of what receipts speak to, for development and tests."""
