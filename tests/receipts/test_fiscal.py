"""The fiscal e-receipt: asked for once, linked, cancelled before money goes back, never made here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fundraising.accounts.models import User
from fundraising.audit.models import Alarm
from fundraising.giving import people, refunds
from fundraising.giving.errors import RefundBlocked
from fundraising.giving.models import Gift
from fundraising.money import Money
from fundraising.outbox.kinds import Kind
from fundraising.outbox.models import Work
from fundraising.outbox.service import Claimed
from fundraising.receipts import service as receipts
from fundraising.receipts.fiscal import imports, queries, service
from fundraising.receipts.fiscal.client import HttpDepartment
from fundraising.receipts.fiscal.errors import BillNotIssued, FiscalOff, PayerMissing
from fundraising.receipts.fiscal.imports import UnreadableBills
from fundraising.receipts.fiscal.models import BillState, FiscalBill
from fundraising.receipts.simulators import fiscal as simulator
from fundraising.receipts.simulators.fiscal import Ledger
from tests.conftest import FrozenClock, settings_for

MakeGift = Callable[..., Gift]
WANTED = {"wants_fiscal_receipt": True, "payer_name": "承德某某有限公司"}


@pytest.fixture
def department(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The simulator behind the real client, without a network."""
    monkeypatch.setenv("ENVIRONMENT", "test")
    site, ledger = simulator.create(tmp_path / "fiscal", "http://department.test")
    http = httpx.Client(transport=httpx.WSGITransport(app=site))
    app.extensions["fiscal"] = HttpDepartment(
        "http://department.test", simulator.UNIT, simulator.KEY.encode(), http
    )
    yield ledger
    app.extensions["fiscal"] = None
    http.close()
    ledger.db.close()


@pytest.fixture
def work(session: Session, frozen_clock: FrozenClock) -> Callable[..., None]:
    """Does what is due, each as often as it is told: twice, as a queue may."""

    def done(times: int = 2) -> None:
        frozen_clock.move(hours=2)
        due = select(Work).where(Work.kind == Kind.ADVANCE_FISCAL, Work.done_at.is_(None))
        for row in session.execute(due.order_by(Work.id)).scalars():
            for _ in range(times):
                service.advance(Claimed(row.id, Kind.ADVANCE_FISCAL, row.payload, 1))
            row.done_at = row.due_at

    return done


@pytest.fixture
def billed(paid_gift: MakeGift, department: Ledger, work: Callable[..., None]) -> Gift:
    """A gift whose bill is issued."""
    gift = paid_gift(10_000, **WANTED)
    service.request_if_wanted(gift.id)
    work()
    return gift


def state(gift: Gift) -> str:
    bill = queries.latest(gift.id)
    return bill.state if bill else "none"


def follow(gift: Gift) -> None:
    receipts.follow_refund(Claimed(1, Kind.FOLLOW_REFUND, {"gift_id": str(gift.id)}, 1))


# ---------------------------------------------------------------------- asking


def test_a_wished_bill_is_asked_for_issued_and_linked(
    client: FlaskClient,
    paid_gift: MakeGift,
    session: Session,
    department: Ledger,
    work: Callable[..., None],
) -> None:
    gift = paid_gift(10_000, **WANTED)
    kind = Kind.ISSUE_RECEIPT
    payload = {"gift_id": str(gift.id)}
    receipts.handle(Claimed(1, kind, payload, 1))
    before = state(gift)
    work()
    bill = queries.latest(gift.id)
    page = client.get(f"/t/{gift.token}").text

    assert bill is not None
    assert before == BillState.REQUESTED
    assert bill.state == BillState.ISSUED
    assert (bill.code, bill.number) == (simulator.REGION, "0000000001")
    assert f'href="{bill.url}"' in page
    assert "0000000001" in page
    assert len(department.rows()) == 1
    assert "承德某某有限公司" in department.rows()[0]["body"]


def test_nothing_is_asked_for_who_declined(paid_gift: MakeGift, department: Ledger) -> None:
    gift = paid_gift()
    service.request_if_wanted(gift.id)

    assert state(gift) == "none"


def test_the_payer_is_sealed_and_needed(
    paid_gift: MakeGift, department: Ledger, client: FlaskClient, work: Callable[..., None]
) -> None:
    gift = paid_gift(wants_fiscal_receipt=True, email="a@example.org")
    with pytest.raises(PayerMissing):
        service.request(gift.id)
    client.post(f"/t/{gift.token}/fiscal", data={"payer_name": "王芳", "payer_tax_no": "nonsense"})
    refused = people.read(gift.id).payer_name
    client.post(f"/t/{gift.token}/fiscal", data={"payer_name": "王芳"})
    work()

    assert refused == ""
    assert people.read(gift.id).email == "a@example.org"
    assert people.read(gift.id).payer_name == "王芳"
    assert state(gift) == BillState.ISSUED


@pytest.mark.parametrize(
    "policy", [{"lose_answer": True}, {"down": True}, {"pending": True}, {"forge": True}]
)
def test_an_unknown_outcome_is_asked_for_and_never_makes_a_second_bill(
    paid_gift: MakeGift, department: Ledger, work: Callable[..., None], policy: dict[str, bool]
) -> None:
    gift = paid_gift(10_000, **WANTED)
    service.request_if_wanted(gift.id)
    department.policy = policy
    work(times=1)
    unknown = state(gift)
    department.policy = {}
    work()

    assert unknown == BillState.REQUESTED
    assert state(gift) == BillState.ISSUED
    assert len(department.rows()) == 1


def test_a_department_silent_for_long_is_an_alarm(
    paid_gift: MakeGift, department: Ledger, work: Callable[..., None], session: Session
) -> None:
    service.request_if_wanted(paid_gift(10_000, **WANTED).id)
    department.policy = {"down": True}
    for _ in range(8):
        work()

    assert session.get(Alarm, "fiscal:silent") is not None


def test_a_refused_request_waits_on_the_desk_and_can_be_made_again(
    paid_gift: MakeGift,
    department: Ledger,
    work: Callable[..., None],
    staff_client: Callable[[str], FlaskClient],
) -> None:
    gift = paid_gift(10_000, **WANTED)
    service.request_if_wanted(gift.id)
    department.policy = {"reject": "交款人名称有误"}
    work()
    bill = queries.latest(gift.id)
    assert bill is not None
    desk = staff_client("finance")
    page = desk.get("/staff/fiscal").text
    failed = bill.state
    department.policy = {}
    desk.post(f"/staff/fiscal/{bill.id}/again")
    work()

    assert failed == BillState.FAILED
    assert "交款人名称有误" in page
    assert service.blocks_refund(gift.id) is not None
    assert state(gift) == BillState.ISSUED


def test_a_bill_over_another_amount_is_an_alarm(
    paid_gift: MakeGift,
    department: Ledger,
    work: Callable[..., None],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gift = paid_gift(10_000, **WANTED)
    service.request_if_wanted(gift.id)
    honest = department.answer
    monkeypatch.setattr(department, "answer", lambda row: honest(row) | {"amount_fen": 1})
    work()

    assert session.get(Alarm, "fiscal:amount") is not None


# ---------------------------------------------------------------------- refunds


def test_money_goes_back_only_after_the_red_one_was_asked_for(
    billed: Gift, session: Session, make_staff: Callable[..., User]
) -> None:
    actor = make_staff("finance")
    with pytest.raises(RefundBlocked):
        refunds.request(billed, Money(4_000), reason="误捐", actor_id=actor.id)
    assert service.blocks_refund(billed.id)
    service.request_red(billed.id, "退款")

    assert service.blocks_refund(billed.id) is None


def test_what_is_left_after_a_refund_gets_a_bill_of_its_own(
    billed: Gift, department: Ledger, work: Callable[..., None], refund: Callable[..., None]
) -> None:
    service.request_red(billed.id, "退款")
    work()
    cancelled = state(billed)
    refund(billed, 4_000)
    for _ in range(2):
        follow(billed)
    work()
    bill = queries.latest(billed.id)

    assert cancelled == BillState.RED_ISSUED
    assert bill is not None
    assert (bill.state, bill.amount_fen) == (BillState.ISSUED, 6_000)
    assert [row["kind"] for row in department.rows()] == ["blue", "red", "blue"]


def test_money_the_provider_sent_back_by_itself_cancels_the_bill(
    billed: Gift, department: Ledger, work: Callable[..., None], refund: Callable[..., None]
) -> None:
    refund(billed, 10_000)
    for _ in range(2):
        follow(billed)
    waiting = state(billed)
    work()

    assert waiting == BillState.RED_REQUESTED
    assert state(billed) == BillState.RED_ISSUED
    assert [row["kind"] for row in department.rows()] == ["blue", "red"]


def test_a_red_one_whose_answer_was_lost_is_found_again(
    billed: Gift, department: Ledger, work: Callable[..., None]
) -> None:
    service.request_red(billed.id, "更正")
    department.policy = {"lose_answer": True}
    work()
    department.policy = {}
    work()

    assert state(billed) == BillState.RED_ISSUED
    assert len(department.rows()) == 2


def test_a_request_that_is_on_its_way_cannot_be_cancelled_yet(
    paid_gift: MakeGift, department: Ledger
) -> None:
    gift = paid_gift(10_000, **WANTED)
    service.request_if_wanted(gift.id)

    assert service.blocks_refund(gift.id)
    with pytest.raises(BillNotIssued):
        service.request_red(gift.id, "退款")


# ---------------------------------------------------------------------- kept by the database


def test_a_gift_has_one_open_bill(billed: Gift, session: Session) -> None:
    nested = session.begin_nested()
    session.add(FiscalBill(gift_id=billed.id, request_no="another", amount_fen=1))
    with pytest.raises(IntegrityError, match="uq_fiscal_bill_open"):
        session.flush()
    nested.rollback()


def test_a_number_belongs_to_one_bill(billed: Gift, paid_gift: MakeGift, session: Session) -> None:
    known, other = queries.latest(billed.id), paid_gift()
    assert known is not None
    nested = session.begin_nested()
    session.add(
        FiscalBill(
            gift_id=other.id,
            request_no="another",
            amount_fen=1,
            state=BillState.ISSUED,
            code=known.code,
            number=known.number,
        )
    )
    with pytest.raises(IntegrityError, match="uq_fiscal_bill_code_number"):
        session.flush()
    nested.rollback()


# ---------------------------------------------------------------------- without an interface


def table(*lines: str) -> bytes:
    headings = "订单号,票据代码,票据号码,校验码,开票日期,金额,链接,状态,红票代码,红票号码"
    return "\n".join([headings, *lines]).encode("gbk")


def test_issued_bills_come_from_a_file_and_the_same_file_changes_nothing(
    paid_gift: MakeGift, staff_client: Callable[[str], FlaskClient], tmp_path: Path
) -> None:
    gift = paid_gift(10_000, **WANTED)
    data = table(f"{gift.order_no},32050124,0000817610,bngFFX,2024年08月02日,100.00,,,,")
    with pytest.raises(FiscalOff):
        service.request(gift.id)
    desk = staff_client("finance")
    file = tmp_path / "bills.csv"
    file.write_bytes(data)
    with file.open("rb") as upload:
        shown = desk.post("/staff/fiscal/import", data={"file": (upload, "bills.csv")}).text
    before = state(gift)
    (address,) = {part for part in shown.split('"') if part.startswith("/staff/fiscal/import/")}
    desk.post(address)
    bill = queries.latest(gift.id)

    assert before == "none"
    assert bill is not None
    assert (bill.state, bill.number, bill.check_code) == ("issued", "0000817610", "bngFFX")
    assert imports.plan(data).known == 1
    assert imports.plan(data).new == []


def test_a_file_also_tells_of_red_and_void_ones(
    paid_gift: MakeGift, make_staff: Callable[..., User]
) -> None:
    actor = make_staff("finance").id
    one, two = paid_gift(10_000), paid_gift(20_000)
    lines = [
        f"{one.order_no},32050124,01,a,2024-08-02,100",
        f"{two.order_no},32050124,02,b,2024-08-02,200",
    ]
    imports.apply(imports.plan(table(*(f"{line},,,," for line in lines))), actor)
    service.request_red(one.id, "退款")
    imports.apply(
        imports.plan(table(f"{lines[0]},,红冲,32050124,03", f"{lines[1]},,作废,,")), actor
    )

    assert (state(one), state(two)) == (BillState.RED_ISSUED, BillState.VOID)


@pytest.mark.parametrize(
    "line",
    [
        "NOBODYS,1,2,3,2024-08-02,100,,,,",
        "{0},1,2,3,2024-08-02,99.99,,,,",
        "{0},1,2,3,2024-08-02,nonsense,,,,",
        "{0},,2,3,2024-08-02,100,,,,",
        "{0},1,2,3,2024-13-45,100,,,,",
        "{0},1,2,3,2024-08-02,100,,红冲,,",
        "{0},1,2,3,2024-08-02,100,,作废,,",
        "{0},1,2,3,2024-08-02,100,,哈哈,,",
    ],
)
def test_a_line_that_cannot_be_right_is_named_and_changes_nothing(
    paid_gift: MakeGift, line: str
) -> None:
    gift = paid_gift(10_000)
    planned = imports.plan(table(line.format(gift.order_no)))

    assert planned.new == []
    assert [problem.line for problem in planned.errors] == [2]


def test_another_file_is_refused() -> None:
    with pytest.raises(UnreadableBills):
        imports.plan(b"a,b\n1,2\n")


# ---------------------------------------------------------------------- settings and simulator


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"fiscal_base_url": "http://127.0.0.1:9"}, "FISCAL_BASE_URL"),
        (
            {"fiscal_base_url": "https://bills.gov.example", "fiscal_key": simulator.KEY},
            "simulator",
        ),
        ({"fiscal_base_url": "https://bills.gov.example", "fiscal_key": ""}, "FISCAL_KEY"),
    ],
)
def test_production_refuses_a_department_that_is_none(
    tmp_path: Path, values: dict[str, str], fault: str
) -> None:
    given = {"fiscal_unit_code": "130800", "fiscal_key": "a real key of the unit", **values}
    with pytest.raises(ValidationError, match=fault):
        settings_for(
            "postgresql://x",
            tmp_path,
            environment="production",
            public_url="https://a.org",
            **given,
        )


def test_the_simulator_refuses_what_is_not_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "test")
    site, ledger = simulator.create(tmp_path, "http://department.test")
    answer = site.test_client().post("/api/issue", json={"request_no": "1"})
    ledger.db.close()

    assert answer.status_code == 401
    assert ledger.policy == {}


def test_the_simulated_department_is_refused_in_production(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")

    with pytest.raises(SystemExit, match="production"):
        simulator.create(tmp_path, "http://127.0.0.1:1")
