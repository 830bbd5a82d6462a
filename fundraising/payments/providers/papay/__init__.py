"""WeChat Pay 委托代扣 (papay, API v2): own client and own verifier (docs/adr/0007, docs/adr/0020).

Source of the rules: WeChat Pay's merchant documentation for v2 (pay.weixin.qq.com/doc/v2/merchant: signing
4011985891, agreements 4011986768, 4011987295, 4011987586, 4011987640, 4011987432, charges 4011987377, 4011987465,
4011987538, 4011987803, notice before charging 4011987402).

Not confirmed by any source, hence behind WECHATPAY_MONTHLY: that a charity is given a template at all; that
payments made so can be refunded by the v3 interface, as we do (the documentation names only the v2 one).
"""

from fundraising.payments.providers.papay.client import Papay

__all__ = ["Papay"]
