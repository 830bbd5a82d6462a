"""Money: whole minor units of one currency. Floats and mixed currencies are refused."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

MINOR_DIGITS = {"CNY": 2, "USD": 2, "EUR": 2, "GBP": 2, "HKD": 2, "JPY": 0, "KRW": 0}
MAX_MINOR = 10**15
_YUAN = re.compile(r"(0|[1-9][0-9]{0,12})(?:\.([0-9]{1,2}))?")


class MoneyError(ValueError):
    """An amount that is no amount: wrong type, currency, form or range."""


class MixedCurrencies(MoneyError):
    """Two currencies met in one sum."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in whole minor units (fen for CNY); may be negative in the books."""

    minor: int
    currency: str = "CNY"

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise MoneyError(f"Minor units are whole numbers, not {type(self.minor).__name__}.")
        if self.currency not in MINOR_DIGITS:
            raise MoneyError(f"Unknown currency {self.currency!r}.")
        if abs(self.minor) > MAX_MINOR:
            raise MoneyError("The amount is beyond every sum this system keeps.")

    @classmethod
    def zero(cls, currency: str = "CNY") -> "Money":
        """Return nothing of a currency."""
        return cls(0, currency)

    @classmethod
    def parse_yuan(cls, text: str) -> "Money":
        """Read a canonical decimal such as ``100`` or ``13.50`` (ASCII digits only, at most two decimals).

        Raises:
            MoneyError: signs, separators, exponents, full-width digits, spaces or line ends inside.
        """
        found = _YUAN.fullmatch(text)
        if found is None:
            raise MoneyError("Not an amount in yuan with at most two decimals.")
        whole, cents = found.group(1), (found.group(2) or "").ljust(2, "0")
        return cls(int(whole) * 100 + int(cents))

    def _same(self, other: "Money") -> None:
        if not isinstance(other, Money):
            raise MoneyError("Money combines with money only.")
        if other.currency != self.currency:
            raise MixedCurrencies(f"{self.currency} met {other.currency}.")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: "Money") -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def times(self, count: int) -> "Money":
        """Return this amount ``count`` times."""
        if type(count) is not int:
            raise MoneyError("Money is multiplied by whole numbers only.")
        return Money(self.minor * count, self.currency)

    def split(self, weights: Sequence[int]) -> list["Money"]:
        """Share the amount by whole weights so that nothing is lost: largest remainders get the odd units.

        Raises:
            MoneyError: no weights, a negative one, or all of them zero.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise MoneyError("Weights must be whole, not negative, and not all zero.")
        sign = -1 if self.minor < 0 else 1
        shares = [divmod(abs(self.minor) * weight, total) for weight in weights]
        missing = abs(self.minor) - sum(share for share, _ in shares)
        by_remainder = sorted(range(len(weights)), key=lambda i: (-shares[i][1], i))
        extra = set(by_remainder[:missing])
        return [
            Money(sign * (share + (i in extra)), self.currency)
            for i, (share, _) in enumerate(shares)
        ]

    def decimal(self) -> Decimal:
        """Return the amount in major units, exact."""
        return Decimal(self.minor).scaleb(-MINOR_DIGITS[self.currency])


def total(amounts: Iterable[Money], currency: str = "CNY") -> Money:
    """Add amounts of one currency; the sum of none is zero of ``currency``."""
    result = Money.zero(currency)
    for amount in amounts:
        result = result + amount
    return result


def shown(minor: int, currency: str) -> str:
    """Return an amount of any currency in words; of one we do not know, in its smallest unit."""
    if currency in MINOR_DIGITS:
        return f"{Money(minor, currency).decimal()} {currency}"
    return f"{minor} {currency} (in its smallest unit)"
