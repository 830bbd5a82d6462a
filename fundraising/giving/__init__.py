"""Donors and gifts: from the form to the my-gift page."""
