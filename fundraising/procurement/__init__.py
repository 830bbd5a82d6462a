"""Buying with two signatures: suppliers, purchases, documents, payments out."""
