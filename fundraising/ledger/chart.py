"""The chart of accounts after 民间非营利组织会计制度 (财会〔2004〕7号), with our sub-accounts.

The accounts are rows that the first ledger migration writes and a chapter may extend; the code
knows these.
"""

from fundraising.ledger import clearing as added

CASH = "1001"
BANK = "1002"
CLEARING = "1009"
MATCHERS = "1122.01"
INVENTORY = "1201"
TO_BE_COVERED = "1221.01"
GOODS = "1201.02"
PAYABLE = "2202"
OTHER_PAYABLE = "2209"
SUSPENSE = "2209.01"
UNAPPLIED = "2209.02"
UNRESTRICTED = "3101"
RESTRICTED = "3102"
INCOME_UNRESTRICTED = "4101.01"
INCOME_RESTRICTED = "4101.02"
INCOME_GOODS = "4101.03"
PROGRAMME_COST = "5101"
GOODS_HANDED_OUT = "5101.02"
ADMIN_COST = "5201"
GOODS_LOST = "5201.02"
BANK_CHARGES = "5201.03"
FUNDRAISING_COST = "5301"
BANK_INTEREST = "5301.01"

CHEQUES = "1009.90"

_CLEARING = {
    "wechatpay": "1009.01",
    "gongyibao": "1009.02",
    "alipay": "1009.03",
    "bank": BANK,
    "stripe": "1009.04",
    "cash": CASH,
    "cheque": CHEQUES,
}


def clearing(provider: str) -> str:
    """Return the account where the money of a provider, of the cash box or of cheques waits for the bank.

    A transfer waits nowhere: only the statement tells of it, so it is in the bank account already.

    Raises:
        KeyError: the chart has no account for that provider.
    """
    account = _CLEARING.get(provider) or added.find_account(provider)
    if account is None:
        raise KeyError(provider)
    return account


def has_clearing(provider: str) -> bool:
    """Whether the chart has an account where that provider's money waits."""
    return provider in _CLEARING or added.find_account(provider) is not None


def income(fund_kind: str) -> str:
    """Return the income account of gifts to a fund of that kind."""
    return INCOME_RESTRICTED if fund_kind == "restricted" else INCOME_UNRESTRICTED
