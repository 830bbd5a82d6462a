"""What can be wrong with a line, by a code that is kept with the batch and said in the reader's language."""

from dataclasses import dataclass
from typing import Any

from fundraising.i18n import lazy_gettext as _l

TEXTS: dict[str, Any] = {
    "number_missing": _l("The gift number is missing or unusable."),
    "number_rounded": _l("The gift number “%(cell)s” was rounded by a spreadsheet. Export the file anew."),
    "amount_missing": _l("The amount is missing."),
    "amount_form": _l("“%(cell)s” is no amount in yuan with at most two decimals."),
    "amount_rounded": _l("The amount “%(cell)s” was rounded by a spreadsheet. Export the file anew."),
    "amount_zero": _l("The amount is zero."),
    "fee_form": _l("The fee “%(cell)s” is no amount in yuan with at most two decimals."),
    "fee_size": _l("The fee is larger than the gift."),
    "refund_form": _l("The refunded amount “%(cell)s” is no amount in yuan with at most two decimals."),
    "refund_size": _l("More was refunded than given."),
    "time_missing": _l("The time is missing."),
    "time_form": _l("“%(cell)s” is no time written like 2024-05-08 10:30:00."),
    "time_range": _l("The time “%(cell)s” lies in the future or before the year 2000."),
    "status_unknown": _l("Nobody has said what the status “%(cell)s” means. Add it to the mapping."),
    "other_facts": _l("The gift number of line %(line)s comes again with other facts."),
    "known_amount": _l("This gift number is known with another amount: %(amount)s."),
    "known_campaign": _l("This gift number is known in another campaign."),
}  # fmt: skip
SHOWN = 40


@dataclass(frozen=True)
class RowError:
    """A line that cannot be used, with what is wrong with it."""

    line: int
    code: str
    args: dict[str, str]

    @property
    def problem(self) -> str:
        """What is wrong, in the language in force."""
        return str(TEXTS[self.code]) % self.args if self.args else str(TEXTS[self.code])

    def kept(self) -> list[Any]:
        """Return it as it is kept with a batch."""
        return [self.line, self.code, self.args]


class BadLine(Exception):
    """Raised while a line is read; the reader keeps it and goes on with the next."""

    def __init__(self, code: str, cell: object = None, **args: str) -> None:
        super().__init__(code)
        self.code = code
        self.args_said = args if cell is None else {"cell": str(cell).strip()[:SHOWN], **args}

    def at(self, line: int) -> RowError:
        """Return the error of that line."""
        return RowError(line, self.code, self.args_said)
