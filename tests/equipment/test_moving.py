"""A device that moves is not in service at its new place before it was inspected there."""

from fundraising import clock
from fundraising.equipment import queries, service
from tests.workshop import PDF, Workshop, photo, place


def test_an_inspection_at_the_old_place_does_not_speak_for_the_new_one(workshop: Workshop) -> None:
    device = workshop.in_service()
    moved = place(place={"zh": "火车站"}, lat=40.99, lon=117.94)

    service.install(device, moved, photo("#aabbcc"), PDF, workshop.installer.id)
    workshop.commit()

    assert queries.get_public(device.no).state == "installed"
    assert queries.counts(workshop.campaign.id).in_service == 0
    assert queries.count_todo("inspect") == 1
    assert queries.public_devices(is_in_service=True) == []
    service.inspect(device, clock.today(), workshop.installer.id, is_passed=True)
    assert queries.get_public(device.no).is_in_service


def test_moving_a_suspended_device_does_not_put_it_in_service(workshop: Workshop) -> None:
    device = workshop.in_service()
    service.suspend(device, "刚刚使用过", workshop.installer.id)

    service.install(device, place(), photo("#aabbcc"), PDF, workshop.installer.id)

    assert not queries.get_public(device.no).is_in_service
