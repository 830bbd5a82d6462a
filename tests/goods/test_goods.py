"""Goods in kind: two people, exact quantities, first-expiring first, never mixed with money."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts import service as accounts
from fundraising.accounts.models import User
from fundraising.database import db, transaction
from fundraising.files import service as files
from fundraising.funds import queries as funds
from fundraising.giving.models import Display
from fundraising.goods import leaving, queries, receiving
from fundraising.goods import store as shelves
from fundraising.goods.errors import (
    AlreadyOver,
    GoodsNotFound,
    NotInStock,
    PaperMissing,
    QuantityRefused,
    SameKeeper,
    ValueRefused,
)
from fundraising.goods.leaving import NewHandover
from fundraising.goods.models import Basis, Donation
from fundraising.goods.receiving import NewDonation, NewItem, Paper
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from tests.factories import Make
from tests.workshop import PDF, photo

Open = Callable[..., FlaskClient]
PAPER = Paper(PDF, "paper.pdf")


@dataclass
class Store:
    """A store with one kind of goods and two people."""

    kind_id: UUID
    place_id: UUID
    first: UUID
    second: UUID

    def brought(self, quantity: str = "10", **more: Any) -> Donation:
        """Goods that wait for the second person."""
        about = {k: more.pop(k) for k in ("name", "display", "campaign_id") if k in more}
        item = NewItem(self.kind_id, Decimal(quantity), **more)
        return receiving.receive(
            NewDonation(self.place_id, clock.today(), [item], **about), self.first
        )

    def stocked(self, quantity: str = "10", **more: Any) -> UUID:
        """The line of goods in stock."""
        donation = receiving.confirm(self.brought(quantity, **more).id, self.second)
        return receiving.items_of(donation.id)[0].id

    def worth(self, quantity: str, fen: int, expires_on: date | None = None) -> UUID:
        """Goods in stock with a proven value."""
        return self.stocked(
            quantity,
            basis=Basis.INVOICE,
            value=Money(fen),
            evidence=PAPER,
            expires_on=expires_on,
        )

    def out(self, quantity: str, place_id: UUID | None = None) -> None:
        """Hand goods out."""
        leaving.hand_out(
            NewHandover(
                self.kind_id,
                place_id or self.place_id,
                Decimal(quantity),
                "滦平县红十字会",
                "博爱送万家",
                PAPER,
            ),
            self.first,
        )

    def left(self, item_id: UUID) -> Decimal:
        """What is left of a line."""
        return shelves.get_item(item_id).left_quantity


def new_store(first: UUID, second: UUID, decimals: int = 0) -> Store:
    kind = shelves.create_kind(
        {"zh": "棉被", "en": "Blankets"}, {"zh": "床", "en": "pieces"}, decimals
    )
    return Store(kind.id, shelves.place("市仓库").id, first, second)


@pytest.fixture
def store(session: Session, make_staff: Callable[..., User]) -> Store:
    """An empty store."""
    del session
    return new_store(make_staff("buyer").id, make_staff("installer").id)


def prove(session: Session) -> None:
    session.flush()
    assert [f for name in checks.names() for f in checks._checks[name]()] == []


def balances() -> list[int]:
    accounts_ = (chart.GOODS, chart.INCOME_GOODS, chart.GOODS_HANDED_OUT, chart.GOODS_LOST)
    return [ledger.balance(account).minor for account in accounts_]


def test_a_photo_of_evidence_loses_place_and_camera_and_a_document_stays(store: Store) -> None:
    value: dict[str, Any] = {"basis": Basis.INVOICE, "value": Money(5)}
    came = [Paper(photo(), "invoice.jpg"), PAPER]
    brought = [store.brought(evidence=paper, **value) for paper in came]

    kept = [receiving.items_of(donation.id)[0].evidence_file_id for donation in brought]
    picture, document = (files.get(file_id) for file_id in kept if file_id)
    assert (picture.mime, picture.is_public, document.mime) == (
        "image/webp",
        False,
        "application/pdf",
    )
    with Image.open(io.BytesIO(files.read(picture.id))) as shown:
        assert not shown.getexif()
    assert files.read(document.id) == PDF


def test_goods_count_when_another_person_has_confirmed_them(store: Store, session: Session) -> None:
    donation = store.brought(basis=Basis.INVOICE, value=Money(150_000), evidence=PAPER)
    assert queries.stock() == []
    assert balances() == [0, 0, 0, 0]
    with pytest.raises(SameKeeper):
        receiving.confirm(donation.id, store.first)

    receiving.confirm(donation.id, store.second)

    assert [line.quantity for line in queries.stock()] == [10]
    assert balances() == [150_000, -150_000, 0, 0]
    with pytest.raises(AlreadyOver):
        receiving.confirm(donation.id, store.second)
    with pytest.raises(AlreadyOver):
        receiving.withdraw(donation.id, "错", store.first)
    prove(session)


def test_the_database_refuses_one_person_stock_below_nothing_and_value_without_basis(
    store: Store, session: Session
) -> None:
    store.stocked()
    session.flush()
    for statement, rule in (
        ("UPDATE goods_donation SET confirmed_by = received_by", "two_people"),
        ("UPDATE goods_stock SET quantity = -1", "never_negative"),
        ("UPDATE goods_item SET value_fen = 5", "value_has_basis"),
        ("UPDATE goods_item SET left_quantity = -1", "left_within"),
    ):
        with pytest.raises(IntegrityError, match=rule), session.begin_nested():
            session.execute(text(statement))


def test_goods_without_proof_have_no_value_and_no_entry(store: Store, session: Session) -> None:
    store.stocked()
    store.out("4")

    assert balances() == [0, 0, 0, 0]
    (kind,) = queries.public_kinds()
    assert [kind.received, kind.handed_out, kind.left, kind.value_fen] == [10, 4, 6, 0]
    assert kind.bases == ["none"]
    prove(session)


@pytest.mark.parametrize(
    "more",
    [
        {"basis": Basis.INVOICE, "value": Money(5)},
        {"basis": Basis.INVOICE, "evidence": PAPER},
        {"value": Money(5), "evidence": PAPER},
        {"basis": Basis.APPRAISAL, "value": Money(0), "evidence": PAPER},
    ],
)
def test_value_basis_and_evidence_go_together(store: Store, more: dict[str, Any]) -> None:
    with pytest.raises(ValueRefused):
        store.brought(**more)


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "NaN", "Infinity", "99999999999"])
def test_a_quantity_is_exact_in_its_unit(store: Store, quantity: str) -> None:
    with pytest.raises(QuantityRefused):
        store.brought(quantity)


def test_goods_by_weight_are_exact_to_the_gram(
    make_staff: Callable[..., User], session: Session
) -> None:
    by_weight = new_store(make_staff("buyer").id, make_staff("installer").id, 3)
    item = by_weight.worth("0.300", 100)
    for _third in range(3):
        by_weight.out("0.1")

    assert by_weight.left(item) == 0
    assert balances() == [0, -100, 100, 0]
    with pytest.raises(QuantityRefused):
        by_weight.brought("0.0001")
    prove(session)


def test_what_expires_first_goes_first_and_expired_goods_stay(
    store: Store, session: Session
) -> None:
    later = store.worth("10", 1_000, clock.today() + timedelta(days=90))
    never = store.worth("10", 3_000)
    sooner = store.worth("10", 2_000, clock.today())
    expired = store.worth("10", 5_000, clock.today() - timedelta(days=1))
    store.out("15")

    assert [store.left(i) for i in (sooner, later, never, expired)] == [0, 5, 10, 10]
    assert balances()[2] == 2_000 + 500
    with pytest.raises(NotInStock), session.begin_nested():
        store.out("16")
    session.expire_all()
    assert store.left(later) == 5
    prove(session)


def test_goods_move_between_places(store: Store, session: Session) -> None:
    item = store.worth("10", 1_000)
    county = shelves.place("县仓库").id
    leaving.move(item, store.place_id, county, Decimal(4), store.first)
    leaving.move(item, store.place_id, county, Decimal(1), store.first)
    with pytest.raises(NotInStock):
        leaving.move(item, store.place_id, county, Decimal(6), store.first)
    with pytest.raises(QuantityRefused):
        leaving.move(item, county, county, Decimal(1), store.first)
    with pytest.raises(NotInStock), session.begin_nested():
        store.out("6", county)
    store.out("5", county)

    assert shelves.place("县仓库").id == county
    assert balances() == [500, -1_000, 500, 0]
    prove(session)


def test_two_people_write_goods_off(store: Store, session: Session) -> None:
    item = store.worth("3", 100)
    with pytest.raises(PaperMissing):
        leaving.ask_write_off(item, store.place_id, Decimal(1), " ", store.first)
    asked = leaving.ask_write_off(item, store.place_id, Decimal(2), "受潮", store.first)
    with pytest.raises(SameKeeper):
        leaving.write_off(asked.id, store.first)
    assert balances() == [100, -100, 0, 0]
    leaving.write_off(asked.id, store.second)

    assert store.left(item) == 1
    assert balances() == [34, -100, 0, 66]
    with pytest.raises(AlreadyOver):
        leaving.write_off(asked.id, store.second)
    too_much = leaving.ask_write_off(item, store.place_id, Decimal(2), "受潮", store.first)
    with pytest.raises(NotInStock):
        leaving.write_off(too_much.id, store.second)
    prove(session)


def test_what_is_not_confirmed_is_withdrawn_with_a_reason(store: Store) -> None:
    donation = store.brought(name="王小明", display=Display.MASKED)
    assert (receiving.name_of(donation), donation.display_name) == ("王小明", "王**")
    with pytest.raises(PaperMissing):
        receiving.withdraw(donation.id, "", store.first)
    receiving.withdraw(donation.id, "退回", store.first)

    assert receiving.name_of(donation) == ""
    with pytest.raises(AlreadyOver):
        receiving.confirm(donation.id, store.second)


def test_goods_never_change_what_was_raised_in_money(
    store: Store, make: Make, client: FlaskClient
) -> None:
    campaign = make.campaign()
    store.stocked(campaign_id=campaign.id, basis=Basis.INVOICE, value=Money(9_000), evidence=PAPER)
    db.session.commit()

    assert funds.totals(campaign.fund_id).raised_fen == 0
    answer = client.get(f"/api/v1/campaigns/{campaign.slug}").get_json()
    assert answer["raised_fen"] == 0
    assert answer["sources"] == {"in_kind": 9_000}
    other = client.get(f"/api/v1/campaigns/{make.campaign().slug}").get_json()
    assert other["sources"] == {}


def test_what_is_not_there_is_not_found(store: Store) -> None:
    nobody = UUID(int=0)
    for step in (
        lambda: receiving.get(nobody),
        lambda: shelves.get_item(nobody),
        lambda: receiving.confirm(nobody, store.first),
        lambda: leaving.write_off(nobody, store.first),
        lambda: store.__class__(nobody, store.place_id, store.first, store.second).out("1"),
    ):
        with pytest.raises(GoodsNotFound):
            step()


def test_many_hands_at_one_moment_never_take_more_than_there_is(own_database: Flask) -> None:
    with transaction():
        shared = new_store(
            accounts.create("a@example.org", "buyer").id,
            accounts.create("b@example.org", "buyer").id,
        )
        items = [shared.worth("5", 700), shared.worth("5", 333)]
    gate, refused = Barrier(8), []

    def take() -> None:
        with own_database.app_context():
            gate.wait()
            try:
                with transaction():
                    shared.out("3")
            except NotInStock as short:
                refused.append(short)

    threads = [Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 5
    db.session.expire_all()
    assert sum(shared.left(item) for item in items) == 1
    db.session.rollback()
    assert checks.run_all() == []


# ---------------------------------------------------------------------- pages


def upload(name: str = "paper.pdf") -> tuple[io.BytesIO, str]:
    return io.BytesIO(PDF), name


def test_goods_go_their_way_in_the_browser(
    store: Store, staff_client: Open, session: Session
) -> None:
    session.commit()
    one, two = staff_client("buyer"), staff_client("installer")
    data = {
        "kind": str(store.kind_id),
        "quantity": "20",
        "condition": "new",
        "basis": "invoice",
        "value": "3000",
        "place": "市仓库",
        "received_on": clock.today().isoformat(),
        "name": "承德某公司",
        "display": "full",
        "campaign": "",
    }
    assert one.get("/staff/goods/receive").status_code == 200
    for wrong in (
        {},
        {"evidence": upload(), "quantity": "1.5"},
        {"evidence": upload(), "quantity": "1e9"},
        {"evidence": upload(), "value": ""},
    ):
        assert one.post("/staff/goods/receive", data=data | wrong).status_code == 422
    made = one.post("/staff/goods/receive", data=data | {"evidence": upload()})
    address = made.headers["Location"]
    one.post(f"{address}/confirm")
    assert queries.stock() == []
    assert "承德某公司" in two.get(address).get_data(as_text=True)
    two.post(f"{address}/confirm")
    (line,) = queries.stock()
    shelf = f"/staff/goods/stock/{line.item_id}/{line.place_id}"
    assert one.get(shelf).status_code == 200
    assert one.post(shelf, data={"move": "1", "m-quantity": "x", "m-place": "A"}).status_code == 422
    one.post(shelf, data={"move": "1", "m-quantity": "5", "m-place": "县仓库"})
    assert one.post(shelf, data={"w-quantity": "1", "w-reason": "受潮"}).status_code == 303
    assert "受潮" in two.get("/staff/goods/").get_data(as_text=True)
    two.post(f"/staff/goods/write-offs/{queries.asked()[0][0].id}")
    out = {"kind": str(store.kind_id), "place": str(line.place_id), "receiver": "滦平县红十字会"}
    too_many = out | {"quantity": "15", "note": upload()}
    assert one.post("/staff/goods/hand-out", data=too_many).status_code == 409
    assert one.post("/staff/goods/hand-out", data=out | {"quantity": "9"}).status_code == 422
    given = one.post("/staff/goods/hand-out", data=out | {"quantity": "9", "note": upload()})
    assert given.status_code == 303
    page = one.get("/transparency?lang=zh").get_data(as_text=True)
    assert "棉被" in page
    assert "滦平县红十字会" in page
    assert balances() == [150_000, -300_000, 135_000, 15_000]
    kind = {"name_zh": "大米", "unit_zh": "千克", "decimals": "3"}
    one.post("/staff/goods/kinds", data=kind)
    one.post("/staff/goods/kinds", data=kind | {"decimals": "4"})
    assert len(queries.kinds()) == 2
