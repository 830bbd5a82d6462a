"""A mapping says which heading holds what, and what the words in the status column mean.

Headings are compared in one form (NFKC, lower case, without spaces), so full-width brackets are no
difference. The mappings below come with the product; a chapter saves its own beside them.
"""

import unicodedata
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

from fundraising.i18n import lazy_gettext as _l

STANDARD = "standard"
FIELDS = {
    "number": _l("Gift number of the platform"),
    "amount": _l("Amount (yuan)"),
    "at": _l("Time of payment"),
    "name": _l("Donor’s name"),
    "message": _l("Message"),
    "status": _l("Status"),
    "fee": _l("Fee of the platform (yuan)"),
    "refunded": _l("Refunded amount (yuan)"),
}
REQUIRED = ("number", "amount", "at")
PAID, REFUNDED, UNPAID = "paid", "refunded", "unpaid"
WORDS: dict[str, tuple[str, ...]] = {
    PAID: ("成功", "已支付", "支付成功", "捐赠成功", "捐款成功", "交易成功", "已完成", "paid", "success"),
    REFUNDED: (
        "已退款", "退款成功", "全额退款", "部分退款", "退款中", "已退捐", "退捐成功", "refunded", "refund",
    ),
    UNPAID: (
        "未支付", "待支付", "支付中", "支付失败", "失败", "已取消", "已关闭", "交易关闭", "unpaid", "closed", "failed",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Mapping:
    """How a file is read. ``columns`` holds for each field the headings it may have."""

    platform: str
    name: str = STANDARD
    version: int = 0
    columns: MappingType[str, tuple[str, ...]] = field(default_factory=dict)
    words: MappingType[str, tuple[str, ...]] = field(default_factory=lambda: WORDS)

    @property
    def label(self) -> str:
        """The mapping as it is named in a batch: ``standard v2``; version 0 came with the product."""
        return f"{self.name} v{self.version}"

    def body(self) -> dict[str, list[str]]:
        """Return headings and words as they are kept."""
        return {
            **{f"column:{name}": list(headings) for name, headings in self.columns.items()},
            **{f"word:{meaning}": list(words) for meaning, words in self.words.items()},
        }

    @classmethod
    def of(
        cls, platform: str, name: str, version: int, body: MappingType[str, list[str]]
    ) -> "Mapping":
        """Return a mapping from what was kept."""
        return cls(
            platform,
            name,
            version,
            {field: tuple(body.get(f"column:{field}", ())) for field in FIELDS},
            {meaning: tuple(body.get(f"word:{meaning}", ())) for meaning in WORDS},
        )

    def meaning(self, status: str) -> str | None:
        """Return whether a status means paid, refunded or unpaid; None when nobody has said."""
        if not status:
            return PAID
        plain = normal(status)
        return next(
            (meaning for meaning, words in self.words.items() if plain in map(normal, words)), None
        )


def normal(heading: str) -> str:
    """Return a heading or word in the form in which it is compared."""
    return "".join(unicodedata.normalize("NFKC", heading).lower().split())


GONGYIBAO = Mapping(
    "gongyibao",
    columns={
        "number": ("捐赠编号", "捐赠单号", "订单号", "订单编号", "gift number"),
        "amount": ("捐赠金额(元)", "捐赠金额", "金额(元)", "amount (yuan)"),
        "at": ("捐赠时间", "支付时间", "paid at"),
        "name": ("捐赠人", "捐赠人昵称", "昵称", "donor"),
        "message": ("留言", "捐赠留言", "message"),
        "status": ("状态", "订单状态", "status"),
        "fee": ("手续费(元)", "手续费", "平台服务费(元)", "平台服务费", "fee"),
        "refunded": ("退款金额(元)", "退款金额", "refunded"),
    },
)
TENCENT = Mapping(
    "tencent",
    columns={
        "number": ("交易单号", "捐款单号", "捐赠单号", "商户订单号", "订单号"),
        "amount": ("捐款金额(元)", "捐款金额", "捐赠金额(元)", "捐赠金额", "金额(元)", "金额"),
        "at": ("捐款时间", "交易时间", "支付时间", "捐赠时间"),
        "name": ("捐款人", "捐款人昵称", "捐赠人", "用户昵称", "昵称"),
        "message": ("捐款留言", "留言", "祝福语"),
        "status": ("交易状态", "捐款状态", "订单状态", "状态"),
        "fee": ("手续费(元)", "手续费", "支付手续费"),
        "refunded": ("退款金额(元)", "退款金额"),
    },
)
BUILT_IN = {mapping.platform: mapping for mapping in (GONGYIBAO, TENCENT)}
ANY = Mapping(
    "",
    columns={
        name: tuple(dict.fromkeys((*GONGYIBAO.columns[name], *TENCENT.columns[name])))
        for name in FIELDS
    },
)
"""What is tried for a platform nobody has mapped yet: every heading that is known anywhere."""
