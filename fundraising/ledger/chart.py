"""The chart of accounts after 民间非营利组织会计制度 (财会〔2004〕7号), with the sub-accounts that money needs here."""

from fundraising.ledger.models import AccountType

CASH = "1001"
BANK = "1002"
CLEARING = "1009"
INVENTORY = "1201"
PAYABLE = "2202"
OTHER_PAYABLE = "2209"
SUSPENSE = "2209.01"
UNAPPLIED = "2209.02"
UNRESTRICTED = "3101"
RESTRICTED = "3102"
INCOME_UNRESTRICTED = "4101.01"
INCOME_RESTRICTED = "4101.02"
PROGRAMME_COST = "5101"
ADMIN_COST = "5201"
FUNDRAISING_COST = "5301"

_CLEARING = {"wechatpay": "1009.01", "gongyibao": "1009.02"}

CHART: tuple[tuple[str, AccountType, str, str], ...] = (
    (CASH, AccountType.ASSET, "现金", "Cash on hand"),
    (BANK, AccountType.ASSET, "银行存款", "Bank account"),
    (CLEARING, AccountType.ASSET, "其他货币资金", "Money at payment providers"),
    (_CLEARING["wechatpay"], AccountType.ASSET, "其他货币资金—微信支付", "Clearing: WeChat Pay"),
    (
        _CLEARING["gongyibao"],
        AccountType.ASSET,
        "其他货币资金—公益宝",
        "Clearing: Gongyibao platform",
    ),
    (INVENTORY, AccountType.ASSET, "存货", "Goods in stock"),
    (PAYABLE, AccountType.LIABILITY, "应付账款", "Suppliers to be paid"),
    (OTHER_PAYABLE, AccountType.LIABILITY, "其他应付款", "Other payables"),
    (SUSPENSE, AccountType.LIABILITY, "其他应付款—待查款", "Suspense: money to be looked into"),
    (UNAPPLIED, AccountType.LIABILITY, "其他应付款—待退重复款", "Unapplied: second payments"),
    (UNRESTRICTED, AccountType.NET_ASSETS, "非限定性净资产", "Unrestricted net assets"),
    (RESTRICTED, AccountType.NET_ASSETS, "限定性净资产", "Restricted net assets"),
    (INCOME_UNRESTRICTED, AccountType.INCOME, "捐赠收入—非限定性", "Gifts, unrestricted"),
    (INCOME_RESTRICTED, AccountType.INCOME, "捐赠收入—限定性", "Gifts, restricted"),
    (PROGRAMME_COST, AccountType.EXPENSE, "业务活动成本", "Programme costs"),
    (ADMIN_COST, AccountType.EXPENSE, "管理费用", "Administrative costs"),
    (FUNDRAISING_COST, AccountType.EXPENSE, "筹资费用", "Fundraising costs and fees"),
)


def clearing(provider: str) -> str:
    """Return the account where a provider's money waits for the bank statement.

    Raises:
        KeyError: the chart has no account for that provider.
    """
    return _CLEARING[provider]


def income(fund_kind: str) -> str:
    """Return the income account of gifts to a fund of that kind."""
    return INCOME_RESTRICTED if fund_kind == "restricted" else INCOME_UNRESTRICTED
