"""Stripe Checkout: the published library outwards, own verifier inwards (docs/adr/0007).

Source of the rules: Stripe's API reference and its guides on Checkout, webhooks, idempotent requests,
refunds, disputes and payouts (docs.stripe.com), for the version that the pinned library speaks.
"""

from fundraising.payments.providers.stripe.client import Stripe

__all__ = ["Stripe"]
