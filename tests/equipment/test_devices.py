"""Devices: accepted by serial number, hung with evidence, inspected; public numbers from evidence only."""

import io
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from flask_security import hash_password
from PIL import Image
from sqlalchemy import text
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts import service as accounts
from fundraising.accounts.models import User
from fundraising.database import db, transaction
from fundraising.equipment import county_map, geo, hours, queries, service
from fundraising.equipment.acceptance import parse_serials
from fundraising.equipment.errors import (
    DayImpossible,
    DeviceChanged,
    NotInstalled,
    OutsideCounty,
    PartsExpired,
    SerialsRefused,
)
from fundraising.equipment.models import Datum, DeviceState
from fundraising.equipment.queries import DeviceCounts
from fundraising.errors import DomainError
from fundraising.files import service as files
from fundraising.files.errors import PictureRefused
from fundraising.funds import queries as funds
from fundraising.ledger import chart, checks
from fundraising.ledger import queries as ledger
from fundraising.money import Money
from fundraising.procurement import queries as purchases
from fundraising.procurement.errors import PurchaseNotFound, TooMuch, WrongState
from fundraising.twins import SentTwice
from tests.conftest import FrozenClock
from tests.factories import Make
from tests.workshop import PDF, PRICE, Workshop, photo, place


def counts(workshop: Workshop) -> tuple[int, int, int]:
    """The public numbers of the campaign."""
    found = queries.counts(workshop.campaign.id)
    return found.purchased, found.installed, found.in_service


# ------------------------------------------------------------------ acceptance


def test_each_accepted_device_draws_its_price_and_is_booked_to_stock(workshop: Workshop) -> None:
    devices = workshop.accepted(3)

    numbers = [int(device.no.rpartition("-")[2]) for device in devices]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert devices[0].no.startswith(f"AED-{clock.today().year}-")
    assert ledger.balance(chart.INVENTORY) == Money(3 * PRICE)
    assert ledger.balance(chart.PAYABLE) == Money(-3 * PRICE)
    assert [funds.unit_funding(device.id).cost_fen for device in devices] == [PRICE] * 3
    assert funds.unit_funding(devices[2].id).gifts_count == 2  # the gifts of 25,000 yuan meet in it


def test_the_gifts_of_a_device_are_counted_across_lots(workshop: Workshop) -> None:
    devices = workshop.accepted(8)

    assert sum(funds.unit_funding(device.id).cost_fen for device in devices) == 8 * PRICE


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("SN-1\nSN-2\r\n\n", ["SN-1", "SN-2"]),
        ("sn-1, sn-2；ＳＮ－３", ["SN-1", "SN-2", "SN-3"]),
        ("  A  1\t", ["A 1"]),
        ("", []),
    ],
)
def test_serials_are_read_as_people_type_and_scan_them(typed: str, read: list[str]) -> None:
    assert parse_serials(typed) == read


def test_doubled_known_and_unreadable_serials_are_named(workshop: Workshop) -> None:
    line = purchases.lines(workshop.approved(quantity=4).id)[0]
    actor = workshop.installer.id
    service.accept(line.id, ["KNOWN-1"], actor)

    for serials, named in (
        (["NEW-1", "new-1"], ["NEW-1"]),
        (["known-1", "NEW-1"], ["KNOWN-1"]),
        (["<b>", "NEW-1"], ["<B>"]),
    ):
        with pytest.raises(SerialsRefused) as refused:
            service.accept(line.id, serials, actor)
        assert refused.value.extra["serials"] == named
        assert named[0] in str(refused.value.message)
    with pytest.raises(SerialsRefused):
        service.accept(line.id, [], actor)


def test_acceptance_needs_an_approved_device_line_and_stays_within_it(workshop: Workshop) -> None:
    waiting = purchases.lines(workshop.submitted().id)[0]
    goods = purchases.lines(workshop.approved(1, 1_000, is_device=False).id)[0]
    line = purchases.lines(workshop.approved(quantity=1).id)[0]
    actor = workshop.installer.id

    with pytest.raises(WrongState):
        service.accept(waiting.id, ["X-1"], actor)
    with pytest.raises(PurchaseNotFound):
        service.accept(goods.id, ["X-1"], actor)
    with pytest.raises(TooMuch):
        service.accept(line.id, ["X-1", "X-2"], actor)
    with pytest.raises(DayImpossible):
        service.accept(line.id, ["X-1"], actor, on=clock.today() - timedelta(days=1))


def test_two_people_accepting_the_same_serials_at_once_make_one_set(own_database: Flask) -> None:
    with transaction():
        workshop = Workshop(
            db.session(), Make(db.session()), lambda role: _colleague(f"{role}@example.org", role)
        )
    lines = [purchases.lines(workshop.approved(quantity=2).id)[0].id for _ in range(2)]
    outcomes: list[str] = []

    def accept(line: object) -> None:
        with own_database.app_context():
            try:
                with transaction():
                    service.accept(line, ["SAME-1", "SAME-2"], workshop.installer.id)  # type: ignore[arg-type]
                outcomes.append("accepted")
            except DomainError as refused:
                outcomes.append(refused.code)
            finally:
                db.session.remove()

    threads = [Thread(target=accept, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(outcomes) == ["accepted", "serials_refused"]
    assert queries.counts() == DeviceCounts(2, 0, 0)
    assert ledger.balance(chart.INVENTORY) == Money(2 * PRICE)


def _colleague(email: str, role: str) -> User:
    return accounts.create(email, role, password_hash=hash_password("not used here"))


# ------------------------------------------------------------------ evidence


def test_public_numbers_follow_the_evidence_step_by_step(workshop: Workshop) -> None:
    assert counts(workshop) == (0, 0, 0)
    device = workshop.accepted()[0]
    assert counts(workshop) == (1, 0, 0)

    service.install(device, place(), photo(), PDF, workshop.installer.id)
    assert counts(workshop) == (1, 1, 0)

    service.inspect(device, clock.today(), workshop.installer.id, is_passed=True)
    assert counts(workshop) == (1, 1, 1)


def test_a_device_leaves_service_when_its_inspection_is_out_of_date(
    workshop: Workshop, frozen_clock: FrozenClock
) -> None:
    device = workshop.in_service()
    frozen_clock.move(days=service.INSPECTION_DAYS)
    assert queries.get_public(device.no).state == "in_service"

    frozen_clock.move(days=1)

    assert queries.get_public(device.no).state == "installed"
    assert counts(workshop) == (1, 1, 0)


def test_an_inspection_never_holds_longer_than_pads_and_battery(workshop: Workshop) -> None:
    device, today, actor = workshop.installed(), clock.today(), workshop.installer.id
    soon = today + timedelta(days=5)

    seen = service.inspect(device, today, actor, is_passed=True, pads_expire_on=soon)
    assert seen.valid_until == soon
    with pytest.raises(PartsExpired):
        service.inspect(
            device, today, actor, is_passed=True, battery_expires_on=today - timedelta(days=1)
        )


def test_the_same_finding_or_place_sent_twice_is_kept_once(workshop: Workshop) -> None:
    device, actor = workshop.in_service(), workshop.installer.id
    with pytest.raises(SentTwice):
        service.inspect(device, clock.today(), actor, is_passed=True)
    with pytest.raises(SentTwice):
        service.install(device, place(), photo(), PDF, actor)
    service.suspend(device, "已使用", actor)

    service.inspect(device, clock.today(), actor, is_passed=True)

    assert device.state == DeviceState.INSTALLED


def test_a_failed_inspection_or_a_suspension_takes_a_device_out_until_it_passes(
    workshop: Workshop,
) -> None:
    device, actor = workshop.in_service(), workshop.installer.id
    service.inspect(device, clock.today(), actor, is_passed=False, note="电池报警")
    assert queries.get_public(device.no).state == "out_of_service"

    service.inspect(device, clock.today(), actor, is_passed=True)
    service.suspend(device, "已使用", actor)
    assert counts(workshop) == (1, 1, 0)
    service.inspect(device, clock.today(), actor, is_passed=True)

    assert counts(workshop) == (1, 1, 1)


def test_an_older_inspection_written_down_later_changes_nothing_of_today(
    workshop: Workshop, frozen_clock: FrozenClock
) -> None:
    device, actor = workshop.installed(), workshop.installer.id
    frozen_clock.move(days=3)
    service.inspect(device, clock.today(), actor, is_passed=True)

    service.inspect(device, clock.today() - timedelta(days=1), actor, is_passed=False, note="旧")

    assert queries.get_public(device.no).state == "in_service"


def test_only_a_hung_device_is_inspected(workshop: Workshop) -> None:
    with pytest.raises(NotInstalled):
        service.inspect(
            workshop.accepted()[0], clock.today(), workshop.installer.id, is_passed=True
        )


def test_handing_over_turns_stock_into_programme_cost_once(workshop: Workshop) -> None:
    device, actor = workshop.installed(), workshop.installer.id
    service.install(device, place(hours="24/7"), photo("#123456"), PDF + b"2", actor)

    assert ledger.balance(chart.INVENTORY) == Money(0)
    assert ledger.balance(chart.PROGRAMME_COST) == Money(PRICE)
    installations, _ = queries.history(device.id)
    assert [one.ended_on is None for one in installations] == [True, False]


def test_a_removed_device_keeps_its_page_and_may_hang_again(workshop: Workshop) -> None:
    device, actor = workshop.in_service(), workshop.installer.id
    service.remove(device, actor, "大楼拆除")
    assert queries.get_public(device.no).state == "removed"
    assert counts(workshop) == (1, 0, 0)

    service.install(device, place(), photo(), PDF, actor)

    assert counts(workshop) == (1, 1, 0)
    service.inspect(device, clock.today(), actor, is_passed=True)
    assert counts(workshop) == (1, 1, 1)


def test_an_installer_who_saw_an_older_version_is_told(workshop: Workshop) -> None:
    device, actor = workshop.installed(), workshop.installer.id
    seen = queries.get(device.no).version
    service.inspect(device, clock.today(), actor, is_passed=True, version=seen)

    with pytest.raises(DeviceChanged):
        service.suspend(device, "已使用", actor, version=seen)


# ------------------------------------------------------------------ place and photo


@pytest.fixture
def outline(app: Flask) -> None:
    """The outline of the counties, as set-up makes it."""
    county_map.build(Path(app.extensions["settings"].var_dir) / "map")
    county_map._outline.cache_clear()


def test_coordinates_outside_the_county_are_refused(workshop: Workshop, outline: None) -> None:
    device, actor = workshop.accepted()[0], workshop.installer.id

    for wrong in (
        {"county": "围场满族蒙古族自治县"},
        {"county": "海淀区"},
        {"lat": 31.2, "lon": 121.5},
    ):
        with pytest.raises(OutsideCounty):
            service.install(device, place(**wrong), photo(), PDF, actor)


def test_coordinates_of_chinese_maps_are_converted(workshop: Workshop, outline: None) -> None:
    lat, lon = geo.to_gcj02(40.9868, 117.9392)
    device = workshop.installed(lat=lat, lon=lon, datum=Datum.GCJ02)

    shown = queries.get_public(device.no)

    assert shown.lat == pytest.approx(40.9868, abs=1e-6)
    assert shown.lon == pytest.approx(117.9392, abs=1e-6)


def test_the_public_photo_holds_no_metadata_and_the_handover_note_is_private(
    workshop: Workshop,
) -> None:
    shown = queries.get_public(workshop.installed().no)
    assert shown.photo_file_id is not None
    assert shown.handover_file_id is not None

    picture = Image.open(io.BytesIO(files.read(shown.photo_file_id)))

    assert dict(picture.getexif()) == {}
    assert not files.get(shown.handover_file_id).is_public


def test_what_is_no_picture_is_refused_and_nothing_is_kept(workshop: Workshop) -> None:
    device = workshop.accepted()[0]

    with pytest.raises(PictureRefused):
        service.install(device, place(), b"<svg onload=alert(1)>", PDF, workshop.installer.id)

    assert counts(workshop) == (1, 0, 0)


def test_a_device_does_not_hang_before_it_was_accepted_or_tomorrow(workshop: Workshop) -> None:
    device, actor = workshop.accepted()[0], workshop.installer.id
    for day in (clock.today() - timedelta(days=1), clock.today() + timedelta(days=1)):
        with pytest.raises(DayImpossible):
            service.install(device, place(installed_on=day), photo(), PDF, actor)


# ------------------------------------------------------------------ checks and lists


def test_a_device_whose_cost_is_not_its_draws_is_found(
    workshop: Workshop, session: Session
) -> None:
    device = workshop.accepted()[0]
    session.execute(
        text("UPDATE device SET cost_fen = cost_fen - 1 WHERE id = :id"), {"id": device.id}
    )

    found = checks._checks["every device's cost is its draws"]()

    assert [f.what for f in found] == [f"{device.no}: cost {PRICE - 1}, drawn {PRICE}"]


def test_the_public_list_filters_and_goes_on_where_it_stopped(workshop: Workshop) -> None:
    shown = workshop.in_service()
    elsewhere = workshop.installed(county="滦平县", lat=40.941, lon=117.333)
    bought = workshop.accepted()[0]

    everything = [d.no for d in queries.public_devices()]
    assert everything == sorted([shown.no, elsewhere.no, bought.no])
    assert [d.no for d in queries.public_devices(county="滦平县")] == [elsewhere.no]
    assert [d.no for d in queries.public_devices(is_in_service=True)] == [shown.no]
    assert [d.no for d in queries.public_devices(after=everything[0], limit=1)] == [everything[1]]


def test_devices_of_a_draft_campaign_are_not_public(workshop: Workshop) -> None:
    device = workshop.in_service()
    workshop.campaign.state = "draft"
    workshop.session.flush()

    assert queries.public_devices() == []
    assert queries.staff_view(device.no).no == device.no


def test_geojson_speaks_the_words_of_openstreetmap(workshop: Workshop) -> None:
    device = workshop.in_service()
    workshop.accepted()

    (feature,) = queries.geojson(queries.public_devices())["features"]

    assert feature["geometry"]["coordinates"] == [117.9392, 40.9868]
    facts = feature["properties"]
    assert facts["emergency"] == "defibrillator"
    assert (facts["ref"], facts["access"], facts["indoor"]) == (device.no, "yes", "yes")
    assert facts["opening_hours"] == "07:00-18:00"
    assert facts["check_date"] == clock.today().isoformat()


def test_places_name_devices_for_my_gift_pages(workshop: Workshop) -> None:
    device, bought = workshop.installed(), workshop.accepted()[0]

    found = queries.places([device.id, bought.id])

    assert found[device.id].place == place().place
    assert found[bought.id].place is None


@pytest.mark.parametrize(
    ("text", "utc_hour", "is_open"),
    [
        ("24/7", 20, True),
        ("08:30-17:30", 1, True),
        ("08:30-17:30", 10, False),
        ("22:00-06:00", 20, True),
        ("Mo-Fr 08:00-17:00", 3, None),
    ],
)
def test_open_now_is_said_only_where_it_is_known(
    text: str, utc_hour: int, *, is_open: bool | None
) -> None:
    at = clock.now().replace(hour=utc_hour, minute=0)

    assert hours.is_open(text, at) is is_open
