"""Files of other platforms are taken over once, shown before, traced after, and closed to the fen."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.campaigns.models import Campaign
from fundraising.database import db
from fundraising.funds import queries as fund_queries
from fundraising.giving import import_batches, imports, platform_payouts, queries
from fundraising.giving.errors import ImportRefused, NotReady
from fundraising.giving.import_models import GiftImport, ImportLine, ImportState
from fundraising.giving.imports import RefundState
from fundraising.giving.models import DayTotal, Gift
from fundraising.giving.platform_payouts import NothingChosen, PayoutDiffers
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as books
from fundraising.ledger.models import JournalEntry
from fundraising.money import Money
from fundraising.outbox import service as outbox
from fundraising.outbox.kinds import Kind, Queue
from fundraising.outbox.models import Work
from fundraising.payments import reviews, statements
from fundraising.payments.models import BankLine
from fundraising.payments.platforms import queries as platforms
from fundraising.payments.platforms import service as registry
from fundraising.payments.platforms.errors import (
    MappingNotFound,
    MappingRefused,
    PlatformKnown,
    PlatformNotFound,
    PlatformRefused,
)
from fundraising.payments.platforms.gift_files import ColumnsMissing
from fundraising.payments.platforms.mapping import STANDARD, Mapping
from fundraising.payments.statement_files import NewBankLine
from tests.factories import Make

Staff = Callable[[str], FlaskClient]
HEADER = "捐赠编号,捐赠时间,捐赠人,捐赠金额(元),留言,状态,手续费(元)"
NOON = datetime(2024, 5, 20, 12, 0, tzinfo=clock.SHANGHAI)
SIMPLE = {"number": ("流水",), "amount": ("多少",), "at": ("何时",)}


def row(number: str, yuan: str = "10.00", status: str = "成功", fee: str = "") -> str:
    return f"{number},2024-05-08 10:30:00,李**,{yuan},加油,{status},{fee}"


def file_of(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows]).encode()


@pytest.fixture
def take(campaign: Campaign) -> Callable[..., GiftImport]:
    """Takes a file of these lines over at once."""

    def taken(*rows: str, platform: str = "gongyibao") -> GiftImport:
        return import_batches.take_over(campaign, platform, file_of(*rows), "g.csv", None)

    return taken


def bank_line(fen: int, serial: str = "S1") -> BankLine:
    statements.import_lines("main", [NewBankLine(serial, NOON, Money(fen), "公益宝", "结算")])
    return statements.find("main", serial)


def faults() -> list[checks.Finding]:
    """What the books' checks find within this test's transaction."""
    return [finding for name in checks.names() for finding in checks._checks[name]()]


def plan_of(campaign: Campaign, data: bytes) -> imports.Plan:
    source = imports.read(data, "g.csv", platforms.mapping("gongyibao"))
    return imports.plan(campaign, source)


def gift(number: str) -> Gift:
    return queries.by_number("gongyibao", number)


def gift_count() -> int:
    return db.session.execute(select(func.count()).select_from(Gift)).scalar_one()


def test_a_gift_of_a_file_is_a_gift_like_any_other(
    take: Callable[..., GiftImport], campaign: Campaign
) -> None:
    batch = take(row("G1", "13.14", fee="0.08"), row("G2", "20", status="未支付"))

    gift = db.session.execute(select(Gift)).scalar_one()
    assert (gift.channel, gift.external_ref, gift.display_name) == ("gongyibao", "G1", "李**")
    trace = fund_queries.trace(gift.id)
    assert trace is not None
    assert trace.unspent_fen == 1314
    assert books.balance(chart.clearing("gongyibao")) == Money(1314)
    line = db.session.execute(select(ImportLine)).scalar_one()
    assert (line.import_id, line.line, line.gift_id, line.fee_fen) == (batch.id, 2, gift.id, 8)
    day = db.session.execute(select(DayTotal)).scalar_one()
    assert (day.day, day.amount_fen, day.gifts) == ("2024-05-08", 1314, 1)
    assert (batch.state, batch.new_count, batch.amount_fen, batch.fee_fen, batch.unpaid_count) == (
        "done", 1, 1314, 8, 1)  # fmt: skip
    assert faults() == []


def test_the_same_file_again_changes_nothing_and_is_the_same_batch(
    take: Callable[..., GiftImport], session: Session
) -> None:
    first = take(row("G1"), row("G2"))
    entries = select(func.count()).select_from(JournalEntry)
    before = session.execute(entries).scalar_one()

    again = take(row("G1"), row("G2"))

    assert again.id == first.id
    assert (again.new_count, gift_count()) == (2, 2)
    assert session.execute(entries).scalar_one() == before


def test_a_longer_file_brings_only_what_is_new(take: Callable[..., GiftImport]) -> None:
    take(row("G1"))

    batch = take(row("G1"), row("G2"))

    assert (batch.new_count, batch.known_count, batch.amount_fen, gift_count()) == (1, 1, 1000, 2)


def test_the_same_number_at_another_platform_is_another_gift(
    take: Callable[..., GiftImport],
) -> None:
    take(row("G1"))
    registry.register("mini", {"zh": "小平台"}, None)

    take(row("G1"), platform="mini")

    assert gift_count() == 2
    assert books.balance(chart.clearing("mini")) == Money(1000)


def test_a_known_number_with_another_amount_books_nothing_of_the_file(
    take: Callable[..., GiftImport],
) -> None:
    take(row("G1"))

    with pytest.raises(ImportRefused):
        take(row("G1", "11"), row("G2"))

    assert gift_count() == 1
    batch = import_batches.latest()[0]
    assert batch.state == ImportState.REFUSED
    assert [e.code for e in imports.listed(batch.detail["errors"])] == ["known_amount"]


def test_a_known_number_in_another_campaign_is_refused(
    take: Callable[..., GiftImport], make: Make
) -> None:
    take(row("G1"))
    other = make.campaign()

    plan = plan_of(other, file_of(row("G1")))

    assert [e.code for e in plan.errors] == ["known_campaign"]


def test_refused_lines_stand_in_the_order_of_the_file(
    take: Callable[..., GiftImport], campaign: Campaign
) -> None:
    take(row("G1"))

    plan = plan_of(campaign, file_of(row("G1", "11"), row("G2", "x"), row("G1", "11")))

    assert [(e.line, e.code) for e in plan.errors] == [(2, "known_amount"), (3, "amount_form")]


def test_the_plan_says_everything_and_changes_nothing(campaign: Campaign) -> None:
    data = file_of(
        row("G1", "10", fee="0.06"), row("G2", "5.50"), row("G3", status="待支付"), row("G4", "x")
    )

    plan = plan_of(campaign, data)

    assert plan.summary() == {
        "file": "g.csv", "new": 2, "known": 0, "not paid": 1, "refunds": 0, "errors": 1,
        "amount": "¥15.50", "amount_fen": 1550, "fee_fen": 6, "refund_fen": 0,
        "first": "2024-05-08T10:30:00+08:00", "last": "2024-05-08T10:30:00+08:00",
    }  # fmt: skip
    assert [(str(d.day), d.count, d.amount_fen) for d in plan.days()] == [("2024-05-08", 2, 1550)]
    assert gift_count() == 0


def test_refunds_of_a_file_are_shown_and_booked_with_it(
    take: Callable[..., GiftImport], campaign: Campaign
) -> None:
    take(row("G1"))
    rows = (row("G1", "-10.00"), row("G2"), row("G2", "-3"), row("G9", status="已退款"))
    plan = plan_of(campaign, file_of(*rows))
    assert [(r.row.number, r.state) for r in plan.refunds] == [
        ("G1", RefundState.OPEN),
        ("G2", RefundState.OPEN),
        ("G9", RefundState.NEVER_BOOKED),
    ]

    batch = take(*rows)

    assert (batch.refund_count, batch.refund_fen, batch.new_count) == (3, 2300, 1)
    assert [kept[4] for kept in batch.detail["refunds"]] == ["booked", "booked", "never_booked"]
    assert (gift("G1").state, gift("G2").state) == ("refunded", "partly_refunded")
    assert fund_queries.totals(campaign.fund_id).raised_fen == 700
    assert books.balance(chart.clearing("gongyibao")) == Money(700)
    assert reviews.open_reviews() == []
    assert faults() == []


def test_a_large_file_is_left_to_the_worker_and_goes_on_after_a_crash(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batches, "SET_SIZE", 2)
    batch = import_batches.receive(
        campaign, "gongyibao", file_of(*[row(f"G{n}") for n in range(5)]), "g.csv", None
    )
    import_batches.hand_over(batch)
    work()
    assert (batch.state, batch.planned_count) == (ImportState.READY, 5)
    import_batches.confirm(batch.id, None)
    import_batches.hand_over(batch)
    real = import_batches._book_set
    calls = []

    def crash_at_second(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(import_batches, "_book_set", crash_at_second)
    (claimed,) = outbox.claim(Queue.MAINTENANCE, 5, timedelta(seconds=0))
    with pytest.raises(RuntimeError):
        import_batches.handle(claimed)
    assert (import_batches.get(batch.id).new_count, gift_count()) == (2, 2)

    import_batches.handle(claimed)

    done = import_batches.get(batch.id)
    assert (done.state, done.new_count, done.amount_fen, gift_count()) == ("done", 5, 5000, 5)
    assert faults() == []


def work() -> None:
    for claimed in outbox.claim(Queue.MAINTENANCE, 5, timedelta(minutes=1)):
        import_batches.handle(claimed)
        outbox.done([claimed.id])


def test_what_one_task_does_not_finish_becomes_new_work(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batches, "SET_SIZE", 1)
    monkeypatch.setattr(import_batches, "BUDGET", timedelta(microseconds=1))
    batch = import_batches.receive(campaign, "gongyibao", file_of(row("A"), row("B")), "g", None)
    import_batches.look(batch.id)
    import_batches.confirm(batch.id, None)
    import_batches.hand_over(batch)

    for round_ in range(1, 4):
        work()
        assert import_batches.get(batch.id).new_count == min(round_, 2)

    assert import_batches.get(batch.id).state == ImportState.DONE
    kinds = db.session.execute(select(Work.kind)).scalars().all()
    assert kinds.count(Kind.IMPORT_GIFTS) == 2


def test_only_what_was_looked_at_is_confirmed_and_only_once(campaign: Campaign) -> None:
    batch = import_batches.receive(campaign, "gongyibao", file_of(row("A")), "g.csv", None)
    with pytest.raises(NotReady):
        import_batches.confirm(batch.id, None)
    import_batches.look(batch.id)
    import_batches.confirm(batch.id, None)

    with pytest.raises(NotReady):
        import_batches.confirm(batch.id, None)


def test_a_platform_gets_its_own_clearing_account(session: Session) -> None:
    registry.register("mini", {"zh": "小平台", "en": "Mini"}, None)
    registry.register("midi", {"zh": "中平台"}, None)

    accounts = {chart.clearing(code) for code in ("mini", "midi", "tencent", "gongyibao")}

    assert len(accounts) == 4
    assert all(account.startswith("1009.") for account in accounts)
    for code in ("mini", "wechatpay", "tencent"):
        with pytest.raises(PlatformKnown):
            registry.register(code, {"zh": "又"}, None)
    for code, name in (("Mini", "x"), ("x", "x"), ("", "x"), ("good_code", " ")):
        with pytest.raises(PlatformRefused):
            registry.register(code, {"zh": name}, None)
    with pytest.raises(KeyError):
        chart.clearing("nobody")


def test_a_mapping_is_saved_once_and_read_for_ever(campaign: Campaign) -> None:
    data = "流水,何时,多少\n1,2024-05-08,10\n".encode()
    registry.register("mini", {"zh": "小平台"}, None)
    with pytest.raises(ColumnsMissing):
        import_batches.take_over(campaign, "mini", data, "g.csv", None)
    saved = registry.save_mapping(Mapping("mini", columns=SIMPLE), None)

    batch = import_batches.take_over(campaign, "mini", data, "g.csv", None)

    assert (saved.version, batch.mapping, batch.new_count) == (1, "standard v1", 1)
    wider = {**SIMPLE, "fee": ("费",)}
    assert registry.save_mapping(Mapping("mini", columns=wider), None).version == 2
    assert platforms.mapping("mini").columns["fee"] == ("费",)
    assert platforms.mapping_labelled("mini", "standard v1").columns["fee"] == ()
    assert [v.version for v in platforms.versions("mini")] == [2, 1]


def test_a_mapping_that_says_too_little_or_twice_is_refused(session: Session) -> None:
    for columns in ({"number": ("a",)}, {**SIMPLE, "fee": (" 多少",)}, {**SIMPLE, "odd": ("x",)}):
        with pytest.raises(MappingRefused):
            registry.save_mapping(Mapping("tencent", columns=columns), None)
    with pytest.raises(PlatformNotFound):
        registry.save_mapping(Mapping("nobody", columns=SIMPLE), None)
    with pytest.raises(MappingNotFound):
        platforms.mapping("tencent", "other")
    for label in ("other v1", "standard v7", "standard vx", ""):
        with pytest.raises(MappingNotFound):
            platforms.mapping_labelled("tencent", label)
    assert platforms.mapping("tencent", STANDARD).version == 0


def test_the_lump_sum_closes_the_gifts_less_the_fee_to_the_fen(
    take: Callable[..., GiftImport],
) -> None:
    first, second = take(row("G1", "60")), take(row("G2", "40"))
    line = bank_line(9_940)

    proposal = platform_payouts.propose("gongyibao", line.id, [first.id, second.id])
    assert (proposal.gross_fen, proposal.fee_fen, proposal.is_exact) == (10_000, 60, True)
    payout = platform_payouts.close("gongyibao", line.id, [first.id, second.id], Money(60), None)

    assert books.balance(chart.clearing("gongyibao")) == Money.zero()
    assert books.balance(chart.BANK) == Money(9_940)
    assert platform_payouts.waiting("gongyibao") == []
    (closed,) = platform_payouts.payouts_of(first.id)
    assert (closed.payout.id, closed.line.serial) == (payout.id, "S1")
    assert [(p.amount_fen, p.fee_fen) for p in closed.parts] == [(6_000, 36), (4_000, 24)]
    assert {books.entry(p.fee_entry_id).kind for p in closed.parts if p.fee_entry_id} == {
        "fee_charged"
    }
    assert faults() == []


def test_the_fee_of_each_fund_has_its_own_voucher(
    take: Callable[..., GiftImport], make: Make
) -> None:
    other = make.campaign()
    first = take(row("G1", "75"))
    second = import_batches.take_over(other, "gongyibao", file_of(row("G2", "25")), "h.csv", None)

    platform_payouts.close(
        "gongyibao", bank_line(9_900).id, [first.id, second.id], Money(100), None
    )

    fees = {f: fund_queries.totals(f).fees_fen for f in (other.fund_id, _fund(first))}
    assert fees == {other.fund_id: 25, _fund(first): 75}
    assert faults() == []


def _fund(batch: GiftImport) -> UUID:
    return db.session.execute(
        select(Campaign.fund_id).where(Campaign.id == batch.campaign_id)
    ).scalar_one()


def test_what_differs_closes_only_when_somebody_says_that_the_rest_waits(
    take: Callable[..., GiftImport],
) -> None:
    batch = take(row("G1", "100"))
    line = bank_line(5_000)
    proposal = platform_payouts.propose("gongyibao", line.id, [batch.id])
    assert (proposal.fee_fen, proposal.difference_fen) == (0, 5_000)
    with pytest.raises(PayoutDiffers):
        platform_payouts.close("gongyibao", line.id, [batch.id], Money(30), None)
    assert statements.unmatched() != []

    platform_payouts.close("gongyibao", line.id, [batch.id], Money(30), None, is_partial=True)

    (waits,) = platform_payouts.waiting("gongyibao")
    assert (waits.settled_fen, waits.waiting_fen) == (5_030, 4_970)
    assert platform_payouts.waiting_fen() == {"gongyibao": 4_970}
    assert books.balance(chart.clearing("gongyibao")) == Money(4_970)
    platform_payouts.close("gongyibao", bank_line(4_970, "S2").id, [batch.id], Money(0), None)
    assert platform_payouts.waiting("gongyibao") == []
    assert len(platform_payouts.payouts("gongyibao")) == 2
    assert faults() == []


def test_a_line_larger_than_the_gifts_never_closes(take: Callable[..., GiftImport]) -> None:
    batch = take(row("G1", "100"))

    with pytest.raises(PayoutDiffers):
        platform_payouts.close(
            "gongyibao", bank_line(10_001).id, [batch.id], Money(0), None, is_partial=True
        )


def test_the_files_own_fee_is_proposed(take: Callable[..., GiftImport]) -> None:
    batch = take(row("G1", "100", fee="0.60"), row("G2", "100", fee="0.61"))

    proposal = platform_payouts.propose("gongyibao", bank_line(19_870).id, [batch.id])

    assert (proposal.fee_fen, proposal.difference_fen) == (121, 9)


def test_only_waiting_imports_of_the_platform_are_closed(
    take: Callable[..., GiftImport], session: Session
) -> None:
    batch = take(row("G1", "100"))
    line = bank_line(10_000)
    for platform, chosen in (("tencent", [batch.id]), ("gongyibao", [])):
        with pytest.raises(NothingChosen):
            platform_payouts.propose(platform, line.id, chosen)
    platform_payouts.close("gongyibao", line.id, [batch.id], Money(0), None)
    with pytest.raises(NothingChosen):
        platform_payouts.close("gongyibao", line.id, [batch.id], Money(0), None)
    with pytest.raises(NothingChosen):
        platform_payouts.propose("gongyibao", bank_line(-5, "OUT").id, [take(row("G2")).id])


# ---------------------------------------------------------------------- pages


def send(browser: FlaskClient, campaign: Campaign, data: bytes, platform: str = "gongyibao") -> str:
    answer = browser.post(
        "/staff/imports",
        data={"platform": platform, "campaign": campaign.slug, "file": (io.BytesIO(data), "g.csv")},
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_staff_look_confirm_and_look_again(
    staff_client: Staff, campaign: Campaign, session: Session
) -> None:
    browser = staff_client("finance")
    page = send(browser, campaign, file_of(row("G1", "13.14"), row("G2", "-1")))
    shown = browser.get(f"{page}?lang=en").text
    assert "What the import would do" in shown
    assert "Refunds in the file" in shown
    assert gift_count() == 0

    browser.post(f"{page}/apply")

    done = browser.get(page).text
    assert "¥13.14" in done
    assert "G1" in done
    assert gift_count() == 1
    assert send(browser, campaign, file_of(row("G1", "13.14"), row("G2", "-1"))) == page
    assert browser.get("/staff/imports").status_code == 200
    assert browser.post(f"{page}/apply").status_code == 409
    browser.post(f"{page}/resume")
    assert gift_count() == 1


def test_staff_name_the_columns_of_a_new_platform_once(
    staff_client: Staff, campaign: Campaign
) -> None:
    browser = staff_client("finance")
    answer = browser.post("/staff/platforms", data={"code": "mini", "name_zh": "小平台"})
    assert answer.status_code == 303
    assert (
        browser.post("/staff/platforms", data={"code": "mini", "name_zh": "又"}).status_code == 422
    )
    data = "流水,何时,多少,情况\n1,2024-05-08,10,好\n".encode()
    page = send(browser, campaign, data, "mini")
    shown = browser.get(f"{page}?lang=en").text
    assert "Which column holds what?" in shown
    assert '<option value="多少"' in shown
    chosen = {
        "column-number": "流水",
        "column-at": "何时",
        "column-amount": "多少",
        "column-status": "情况",
    }
    browser.post(f"{page}/mapping", data={**chosen, "column-amount": ""})
    assert "Which column holds what?" in browser.get(f"{page}?lang=en").text

    browser.post(f"{page}/mapping", data=chosen)
    assert "“好”" in browser.get(f"{page}?lang=en").text
    browser.post(f"{page}/mapping", data={**chosen, "word-paid": "好\n成功"})
    browser.post(f"{page}/apply")

    assert gift_count() == 1
    platform = browser.get("/staff/platforms/mini?lang=en").text
    assert "standard v2" in platform
    assert "¥10.00" in platform


def test_a_large_file_shows_its_progress_without_script(
    staff_client: Staff, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batches, "SMALL_BYTES", 10)
    browser = staff_client("finance")
    page = send(browser, campaign, file_of(row("G1"), row("G2")))
    assert browser.get(page).headers["Refresh"] == "2"
    work()
    assert "Refresh" not in browser.get(page).headers
    browser.post(f"{page}/apply")
    shown = browser.get(f"{page}?lang=en")
    assert "0 of 2 gifts booked" in shown.text
    assert shown.headers["Refresh"] == "2"

    work()

    assert "Refresh" not in browser.get(page).headers
    assert gift_count() == 2


def test_a_file_that_stands_still_can_be_set_going(
    staff_client: Staff, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batches, "SMALL_BYTES", 10)
    browser = staff_client("finance")
    page = send(browser, campaign, file_of(row("G1")))
    monkeypatch.setattr(import_batches, "STUCK_AFTER", timedelta(seconds=-1))

    assert "Go on" in browser.get(f"{page}?lang=en").text
    browser.post(f"{page}/resume")

    count = select(func.count()).select_from(Work).where(Work.kind == Kind.IMPORT_GIFTS)
    assert db.session.execute(count).scalar_one() == 2


def test_a_file_that_cannot_be_read_says_why_in_the_readers_language(
    staff_client: Staff, campaign: Campaign
) -> None:
    browser = staff_client("finance")
    page = send(browser, campaign, b"PK\x03\x04 torn")

    assert "This file cannot be read as a gift file." in browser.get(f"{page}?lang=en").text
    assert "无法识别为捐赠明细文件" in browser.get(f"{page}?lang=zh").text


def test_staff_close_a_payout_on_one_page(
    staff_client: Staff, take: Callable[..., GiftImport]
) -> None:
    batch, line = take(row("G1", "100")), bank_line(9_940)
    browser = staff_client("finance")
    address = "/staff/platforms/gongyibao/settle"
    asked = f"{address}?lang=en&asked=1&line={line.id}&import={batch.id}"
    assert "Gifts less fee are the bank line" in browser.get(asked).text
    assert "would still wait" in browser.get(f"{asked}&fee=0.10").text
    assert "more than these gifts" in browser.get(f"{asked}&fee=1.00").text
    assert "at most two decimals" in browser.get(f"{asked}&fee=x").text
    assert "Choose a bank line" in browser.get(f"{address}?lang=en&asked=1").text

    wrong = {"line": str(line.id), "import": str(batch.id), "fee": "0.10"}
    browser.post(address, data=wrong)
    assert books.balance(chart.BANK) == Money.zero()
    browser.post(address, data={**wrong, "fee": "0.60"})

    assert books.balance(chart.BANK) == Money(9_940)
    assert "S1" in browser.get(f"/staff/imports/{batch.id}").text
    assert "S1" in browser.get("/staff/platforms/gongyibao").text
    assert browser.post(address, data={}).status_code == 422


def test_pages_of_platforms_are_for_finance(staff_client: Staff, app: Flask) -> None:
    for page in ("/staff/platforms", "/staff/platforms/tencent", "/staff/imports"):
        assert staff_client("buyer").get(page).status_code == 403
        assert staff_client("finance").get(page).status_code == 200
    assert staff_client("finance").get("/staff/platforms/nobody").status_code == 404


def test_the_donor_of_another_platform_finds_the_gift_by_its_number(
    client: FlaskClient, take: Callable[..., GiftImport]
) -> None:
    registry.register("mini", {"zh": "小平台"}, None)
    take(row("GYB240001", "5.00"), platform="mini")
    take(row("GYB240001", "13.14"))

    answer = client.post(
        "/find", data={"number": "GYB240001", "amount": "13.14", "email": "a@example.org"}
    )

    assert answer.headers["Location"] == "/find/code"
    assert db.session.execute(select(Work).where(Work.kind == Kind.SEND_MAIL)).first() is not None
