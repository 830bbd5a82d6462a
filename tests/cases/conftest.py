"""Cases need a campaign that takes gifts, and a provider with nobody at the other end."""

from tests.giving.conftest import campaign, start, wechatpay

__all__ = ["campaign", "start", "wechatpay"]
