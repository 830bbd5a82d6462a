"""Alipay's open platform with RSA2: own client and own verifier (docs/adr/0007).

Source of the rules: the open platform's documentation (opendocs.alipay.com) on signatures, asynchronous
notices, trades, refunds and bills, and the published SDKs.
"""

from fundraising.payments.providers.alipay.client import Alipay
from fundraising.payments.providers.alipay.cycle import CyclePay

__all__ = ["Alipay", "CyclePay"]
