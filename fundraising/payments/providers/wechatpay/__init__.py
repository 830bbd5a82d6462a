"""WeChat Pay API v3: own client and own verifier (docs/adr/0007).

Source of the rules: the merchant documentation of WeChat Pay v3 (pay.weixin.qq.com) on signatures,
notices and orders, and the published SDKs of the provider for Go, Java and PHP.
"""

from fundraising.payments.providers.wechatpay.client import WechatPay

__all__ = ["WechatPay"]
