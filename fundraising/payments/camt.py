"""Reading a statement as camt.053 (ISO 20022), versions .02 and .08: whole, in yuan, and adding up.

The file's own balances are its control totals: where the movements are not what lies between them, nothing
of it is used. No document type is accepted, so no entity is ever resolved.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree, common

from fundraising import clock
from fundraising.i18n import lazy_gettext as _l
from fundraising.money import Money, total
from fundraising.payments.statement_files import (
    MAX_ROWS,
    NewBankLine,
    StatementFile,
    UnreadableStatement,
    require_modest,
)

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
VERSIONS = ("02", "08")
CURRENCY = "CNY"
OPENING, CLOSING = ("OPBD", "PRCD"), ("CLBD",)
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,5})?")
_DECLARED = re.compile(
    rb"^(\s*<\?xml[^>]*encoding=[\"'])(gbk|gb2312|gb18030)([\"'])", re.IGNORECASE
)


def is_camt(data: bytes) -> bool:
    """Whether a file is XML, so that it is read here."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def read(data: bytes, bank_account: str) -> StatementFile:
    """Read the statements of one account.

    Raises:
        UnreadableStatement: too large, not camt.053, of another account or currency, or not adding up.
    """
    require_modest(data)
    root = _parsed(data)
    namespace, _, _ = root.tag.rpartition("}")
    version = namespace.lstrip("{").removeprefix(NAMESPACE)
    if version not in VERSIONS:
        raise UnreadableStatement(
            _l("This XML is no camt.053 of version 02 or 08, but: %(found)s", found=root.tag[:80])
        )
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    lines: list[NewBankLine] = []
    statements = root.findall("BkToCstmrStmt/Stmt")
    for statement in statements:
        _require_account(statement, bank_account)
        lines += _statement(statement)
    if not statements or len(lines) > MAX_ROWS:
        raise UnreadableStatement
    return StatementFile(lines)


def _parsed(data: bytes) -> Element:
    if _DECLARED.match(data):  # expat reads no GBK
        try:
            data = _DECLARED.sub(rb"\1utf-8\3", data.decode("gb18030").encode(), count=1)
        except UnicodeDecodeError as broken:
            raise UnreadableStatement from broken
    try:
        root: Element = ElementTree.fromstring(data, forbid_dtd=True)
    except common.DefusedXmlException as trick:
        raise UnreadableStatement(_l("A document type in the XML is refused.")) from trick
    except (ParseError, ValueError, LookupError) as broken:
        raise UnreadableStatement from broken
    return root


def _require_account(statement: Element, bank_account: str) -> None:
    number = _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")
    if _digits(number) != _digits(bank_account):
        raise UnreadableStatement(_l("The statement is of the account %(number)s.", number=number))


def _digits(number: str) -> str:
    return re.sub(r"[\s-]", "", number).upper()


def _statement(statement: Element) -> list[NewBankLine]:
    lines: list[NewBankLine] = []
    for entry in statement.findall("Ntry"):
        state = _text(entry, "Sts/Cd") or _text(entry, "Sts")
        if state in ("", "BOOK"):
            lines += _entry(entry)
    _require_totals(statement, lines)
    return lines


def _require_totals(statement: Element, lines: list[NewBankLine]) -> None:
    """Compare the movements with the balances. Raises UnreadableStatement with the difference."""
    opening, closing = _balance(statement, OPENING), _balance(statement, CLOSING)
    if opening is None or closing is None:
        raise UnreadableStatement(_l("The statement lacks its opening or closing balance."))
    difference = closing - opening - total([line.amount for line in lines])
    if difference:
        raise UnreadableStatement(
            _l(
                "The movements differ from the balances by %(amount)s yuan: the file is not whole.",
                amount=difference.decimal(),
            )
        )


def _balance(statement: Element, codes: tuple[str, ...]) -> Money | None:
    found = {_text(balance, "Tp/CdOrPrtry/Cd"): balance for balance in statement.findall("Bal")}
    for code in codes:
        if code in found:
            return _signed(found[code], found[code])
    return None


def _entry(entry: Element) -> Iterator[NewBankLine]:
    """Return the movements of an entry: one, or one for each of its transactions where they add up to it."""
    whole = _signed(entry, entry)
    details = entry.findall("NtryDtls/TxDtls")
    amounts = [_detail_amount(detail, entry) for detail in details]
    if len(details) < 2 or None in amounts:
        yield _line(entry, details[0] if len(details) == 1 else entry, whole, "")
        return
    known = [amount for amount in amounts if amount is not None]
    if total(known) != whole:
        raise UnreadableStatement(
            _l(
                "The transactions of an entry differ from it by %(amount)s yuan.",
                amount=(whole - total(known)).decimal(),
            )
        )
    for number, (detail, amount) in enumerate(zip(details, known, strict=True), start=1):
        yield _line(entry, detail, amount, f"/{number}")


def _detail_amount(detail: Element, entry: Element) -> Money | None:
    for place in ("", "AmtDtls/TxAmt"):
        holder = detail.find(place) if place else detail
        if holder is not None and holder.find("Amt") is not None:
            sided = detail if detail.find("CdtDbtInd") is not None else entry
            return _signed(holder, sided)
    return None


def _line(entry: Element, detail: Element, amount: Money, place: str) -> NewBankLine:
    """Build a movement. An entry's own reference stands for its transactions with their place in it."""
    own, of_entry = _text(detail, "Refs/AcctSvcrRef"), _text(entry, "AcctSvcrRef")
    own = "" if own == of_entry else own
    side = "Dbtr" if amount.minor > 0 else "Cdtr"
    account = f"RltdPties/{side}Acct/Id"
    return NewBankLine(
        serial=own or (of_entry and of_entry + place),
        booked_at=_instant(entry),
        amount=amount,
        counterparty=_text(detail, f"RltdPties/{side}/Nm")
        or _text(detail, f"RltdPties/{side}/Pty/Nm"),
        memo=_memo(entry, detail),
        counterparty_account=_text(detail, f"{account}/IBAN")
        or _text(detail, f"{account}/Othr/Id"),
        is_reversal=_text(entry, "RvslInd") in ("true", "1"),
    )


def _memo(entry: Element, detail: Element) -> str:
    texts = [
        *(_clean(part.text) for part in detail.findall("RmtInf/Ustrd")),
        _text(detail, "RmtInf/Strd/CdtrRefInf/Ref"),
        _text(detail, "AddtlTxInf"),
        _text(entry, "AddtlNtryInf"),
        _text(detail, "Refs/EndToEndId"),
    ]
    return " ".join(dict.fromkeys(text for text in texts if text and text != "NOTPROVIDED"))


def _signed(holder: Element, sided: Element) -> Money:
    """Return an amount with the sign of its side. Raises UnreadableStatement for other currencies."""
    amount = holder.find("Amt")
    side = _text(sided, "CdtDbtInd")
    written = _clean(amount.text) if amount is not None else ""
    currency = amount.get("Ccy", "") if amount is not None else ""
    if currency and currency != CURRENCY:
        raise UnreadableStatement(
            _l("The statement holds %(currency)s; only CNY can be booked.", currency=currency[:8])
        )
    minor = Decimal(written).scaleb(2) if _AMOUNT.fullmatch(written) else None
    if not currency or side not in ("CRDT", "DBIT") or minor is None or minor != int(minor):
        raise UnreadableStatement(_l("An amount of the statement makes no sense."))
    return Money(int(minor) if side == "CRDT" else -int(minor))


def _instant(entry: Element) -> datetime:
    for place in ("BookgDt", "ValDt"):
        exact, day = _text(entry, f"{place}/DtTm"), _text(entry, f"{place}/Dt")
        try:
            if exact:
                at = datetime.fromisoformat(exact)
                return at if at.tzinfo else at.replace(tzinfo=clock.SHANGHAI)
            if day:
                at = datetime.combine(date.fromisoformat(day[:10]), datetime.min.time())
                return at.replace(tzinfo=clock.SHANGHAI)
        except ValueError as broken:
            raise UnreadableStatement from broken
    raise UnreadableStatement(_l("An entry of the statement has no booking date."))


def _text(element: Element, path: str) -> str:
    return _clean(element.findtext(path))


def _clean(text: str | None) -> str:
    return " ".join((text or "").split())
