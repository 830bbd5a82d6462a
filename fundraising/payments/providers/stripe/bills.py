"""A day's movements of our balance, kept as lines of JSON and ended by their totals.

Stripe gives no file: its list of balance transactions is written down page by page. A payout made by
itself must be the sum of what it paid out; one made by hand cannot be taken apart, so a person looks at it.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from fundraising import clock
from fundraising.payments.providers.base import (
    BillBroken,
    BillKind,
    BillRow,
    BillStatus,
    ProviderRejected,
    ProviderUnavailable,
    RowKind,
    Unparsable,
)
from fundraising.payments.providers.stripe import objects
from fundraising.payments.providers.stripe.wire import Wire, members

MOVEMENTS = "/v1/balance_transactions"
CURRENCY, CODE_LENGTH = "cny", 3
PAGE = 100
PAID_TYPES, REFUND_TYPES = ("charge", "payment"), ("refund", "payment_refund")
FAILED_TYPES = ("refund_failure", "payment_failure_refund")
DISPUTE = "dispute"
FEE_TYPES = ("stripe_fee", "stripe_fx_fee", "tax_fee", "network_cost")
PAYOUT_TYPE = "payout"


def fetch(wire: Wire, day: date, into: Path) -> BillStatus:
    """Write a day's movements to a file, whole or not at all.

    Raises:
        ProviderUnavailable: no believable answer. BillBroken: the list breaks off or is another one.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=clock.SHANGHAI)
    bounds = {
        "gte": int(start.timestamp()),
        "lt": int((start + timedelta(days=1)).timestamp()),
    }
    scratch = into.with_name(f"{into.name}.part")
    rows = net = 0
    try:
        with scratch.open("w", encoding="utf-8") as out:
            for found in _pages(wire, created=bounds, expand=["data.source"]):
                if _is_under_way(found):
                    return BillStatus.NOT_READY
                line = _slim(wire, found)
                rows, net = rows + 1, net + line["net"]
                out.write(json.dumps(line) + "\n")
            out.write(json.dumps({"rows": rows, "net": net}) + "\n")
        scratch.replace(into)
    except ProviderRejected as refused:
        raise ProviderUnavailable(refused.code) from refused
    except Unparsable as bad:
        raise BillBroken(str(bad)) from bad
    finally:
        scratch.unlink(missing_ok=True)
    if rows == 0:
        into.unlink()
        return BillStatus.EMPTY
    return BillStatus.READY


def _pages(wire: Wire, **asked: Any) -> Iterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        page = wire.get(MOVEMENTS, limit=PAGE, **asked, **after)
        found = members(page)
        if page.get("url") != MOVEMENTS:
            raise BillBroken("another list")
        yield from found
        if not page.get("has_more"):
            return
        if not found:
            raise BillBroken("the list breaks off")
        after = {"starting_after": objects.text(found[-1].get("id"))}


def _is_under_way(found: Mapping[str, Any]) -> bool:
    """Whether a payout is still being taken apart at Stripe."""
    return _source(found).get("reconciliation_status") == "in_progress"


def _source(found: Mapping[str, Any]) -> Mapping[str, Any]:
    source = found.get("source")
    return source if isinstance(source, dict) else {}


def _slim(wire: Wire, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a movement: numbers, amounts, and what it is of; never a person."""
    source, kind = _source(found), str(found.get("type"))
    line = {
        "id": objects.text(found.get("id")),
        "type": kind,
        "currency": found.get("currency"),
        **{name: _whole(found.get(name)) for name in ("amount", "fee", "net", "created")},
        "of": objects.text(source.get("id") or found.get("source") or found.get("id")),
        "payment": objects.optional(_id(source.get("payment_intent"))),
        **objects.metadata(source),
    }
    if source.get("object") == DISPUTE:
        line["of_what"] = DISPUTE
    if kind in REFUND_TYPES:
        line["is_final"] = source.get("status") == "succeeded"
    if _goes_back(line) and objects.NUMBER not in line:
        line |= _numbers_of_charge(wire, source)
    if kind == PAYOUT_TYPE:
        line["is_explained"] = _is_explained(wire, source, line)
    return line


def _goes_back(line: Mapping[str, Any]) -> bool:
    return line.get("of_what") == DISPUTE or line["type"] in (*REFUND_TYPES, *FAILED_TYPES)


def _numbers_of_charge(wire: Wire, source: Mapping[str, Any]) -> dict[str, str]:
    """Return our number of the payment that a dispute, or a refund made at Stripe, belongs to."""
    charge = _id(source.get("charge"))
    if charge is None:
        return {}
    known = objects.metadata(wire.get(f"/v1/charges/{objects.text(charge)}"))
    return {objects.NUMBER: known[objects.NUMBER]} if objects.NUMBER in known else {}


def _is_explained(wire: Wire, payout: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    """Whether a payout was made by itself and is the sum of the movements it paid out."""
    if payout.get("automatic") is not True:
        return False
    inside = _pages(wire, payout=line["of"])
    total = sum(_whole(m.get("net")) for m in inside if m.get("type") != PAYOUT_TYPE)
    return bool(total == -line["amount"])


def _id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise BillBroken("an amount")
    return value


# ---------------------------------------------------------------------- reading


def read(file: Path, kind: BillKind) -> Iterator[BillRow]:
    """Return the rows of a file; every line's net is its amount without its fee, and all make the total.

    Raises:
        BillBroken: a line makes no sense, or the totals differ.
    """
    make = _trades if kind is BillKind.TRADE else _flows
    rows = net = 0
    end: dict[str, Any] | None = None
    with file.open(encoding="utf-8") as lines:
        for text in lines:
            if end is not None:
                raise BillBroken("more after the totals")
            line = _read_line(text)
            if "rows" in line:
                end = line
                continue
            if line["amount"] - line["fee"] != line["net"]:
                raise BillBroken(f"{line['id']}: amount, fee and net differ")
            rows, net = rows + 1, net + line["net"]
            yield from make(line) if line["currency"] == CURRENCY else _foreign(line)
    if end != {"rows": rows, "net": net}:
        raise BillBroken("the totals differ from the lines")


def _read_line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as bad:
        raise BillBroken("a line") from bad
    if not isinstance(found, dict):
        raise BillBroken("a line")
    return found


def _trades(line: Mapping[str, Any]) -> Iterator[BillRow]:
    number = line.get(objects.REFUND) or line["of"]
    if line["type"] in PAID_TYPES:
        yield _row(line, RowKind.PAID, line["payment"] or line["of"], line["amount"])
    elif line["type"] in REFUND_TYPES:
        yield _row(line, RowKind.REFUND, number, -line["amount"])
    elif line["type"] in FAILED_TYPES:
        yield _row(line, RowKind.RETURNED, number, line["amount"])
    elif line.get("of_what") == DISPUTE and line["amount"]:
        kind = RowKind.DISPUTE if line["amount"] < 0 else RowKind.RETURNED
        yield _row(line, kind, line["of"], abs(line["amount"]))


def _flows(line: Mapping[str, Any]) -> Iterator[BillRow]:
    trades = list(_trades(line))
    yield from trades
    if line["type"] in FEE_TYPES and line["amount"]:
        yield _fee(line, -line["amount"])
    elif line["type"] == PAYOUT_TYPE and line.get("is_explained") and line["amount"] < 0:
        yield _row(line, RowKind.PAYOUT, line["of"], -line["amount"])
    elif not trades and line["amount"]:
        yield _row(line, RowKind.OTHER, line["of"], abs(line["amount"]))
    if line["fee"]:
        yield _fee(line, line["fee"])


def _foreign(line: Mapping[str, Any]) -> Iterator[BillRow]:
    """Return a movement of a balance that is not in yuan, and its fee, under the numbers yuan would have.

    An account may hold several balances; none but the one in yuan is counted here.
    """
    currency = str(line["currency"]).upper()
    if not (len(currency) == CODE_LENGTH and currency.isascii() and currency.isalpha()):
        raise BillBroken(f"{line['id']}: a currency")
    refs = [row.ref for row in _trades(line)] or [line["of"]]
    at = datetime.fromtimestamp(line["created"], UTC).isoformat()
    number, payment = line.get(objects.NUMBER, ""), line["payment"] or ""
    for ref, minor in ((refs[0], line["amount"]), (line["id"], -line["fee"])):
        if minor:
            yield BillRow(RowKind.FOREIGN, ref, number, payment, minor, at, currency=currency)


def _fee(line: Mapping[str, Any], minor: int) -> BillRow:
    """Return what was kept, or what was given back of it when a dispute was won."""
    kind = RowKind.FEE if minor > 0 else RowKind.FEE_BACK
    return _row(line, kind, line["id"], abs(minor))


def _row(line: Mapping[str, Any], kind: RowKind, ref: str, minor: int) -> BillRow:
    if minor < 0:
        raise BillBroken(f"{line['id']}: the wrong way")
    at = datetime.fromtimestamp(line["created"], UTC).isoformat()
    payment = line["payment"] or ""
    number = line.get(objects.NUMBER, "")
    return BillRow(kind, ref, number, payment, minor, at, is_final=line.get("is_final", True))
