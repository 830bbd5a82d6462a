"""Letters to donors and staff."""
