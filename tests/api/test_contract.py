"""The JSON that other programs rely on: the named fields are there and the fen add up."""

from flask.testing import FlaskClient

from tests.factories import Make
from tests.workshop import Workshop

CAMPAIGN = {
    "slug", "title", "state", "goal_fen", "raised_fen", "gifts_count", "people_count", "sources", "fees_fen",
    "spent_fen", "unspent_fen", "devices", "people_trained", "filing_no", "as_of", "currency",
}  # fmt: skip
DEVICE = {
    "number", "serial", "model", "state", "place", "county", "lat", "lon", "floor", "hours", "last_inspected_at",
    "funded_by",
}  # fmt: skip
LINE = {"supplier", "item", "quantity", "amount_fen", "documents", "approved_by_two", "devices"}


def test_campaigns_give_every_named_figure(client: FlaskClient, make: Make) -> None:
    campaign = make.campaign()
    make.money(campaign.fund_id, 1314, 2000)
    (listed,) = client.get("/api/v1/campaigns").get_json()["items"]
    body = client.get(f"/api/v1/campaigns/{campaign.slug}").get_json()

    assert set(body) >= CAMPAIGN
    assert {k: v for k, v in listed.items() if k != "as_of"} == {
        k: v for k, v in body.items() if k != "as_of"
    }
    assert set(body["devices"]) == {"purchased", "installed", "in_service"}
    assert body["raised_fen"] == 3314 == sum(body["sources"].values())
    spent = body["spent_fen"] + body["fees_fen"] + body["refunded_fen"] + body["unspent_fen"]
    assert spent == body["raised_fen"]


def test_devices_lines_and_funding_name_their_parts_and_add_up(
    client: FlaskClient, workshop: Workshop
) -> None:
    no = workshop.in_service().no
    workshop.commit()
    device = client.get(f"/api/v1/devices/{no}").get_json()
    paid = client.get(f"/api/v1/devices/{no}/funding").get_json()
    (line,) = client.get(f"/api/v1/campaigns/{device['funded_by']}/spending").get_json()["items"]
    (point,) = client.get("/api/v1/devices.geojson").get_json()["features"]

    assert set(device) >= DEVICE
    assert set(line) >= LINE
    assert no in line["devices"]
    assert line["approved_by_two"] is True
    assert paid["cost_fen"] == sum(draw["fen"] for draw in paid["draws"]) > 0
    assert point["geometry"]["coordinates"] == [device["lon"], device["lat"]]


def test_entries_name_their_campaign_and_balance(client: FlaskClient, make: Make) -> None:
    campaign = make.campaign()
    make.money(campaign.fund_id, 1314)
    (entry,) = client.get("/api/v1/ledger/entries").get_json()["items"]

    assert entry["campaign"] == campaign.slug
    assert {"postings", "kind", "reason"} <= set(entry)
    assert sum(posting["amount_minor"] for posting in entry["postings"]) == 0
    assert client.get("/api/v1/ledger/trial-balance").get_json()["sum_minor"] == 0


def test_a_demonstration_says_so_in_every_answer(client: FlaskClient, make: Make) -> None:
    assert client.get("/api/v1/ledger/trial-balance").get_json()["demo"] is False
    campaign = make.campaign()
    campaign.is_demo = True
    make.session.flush()

    assert client.get(f"/api/v1/campaigns/{campaign.slug}").get_json()["demo"] is True
    for address in ("/api/v1/ledger/trial-balance", "/api/v1/ledger/entries"):
        assert client.get(address).get_json()["demo"] is True


def test_metrics_name_their_type_once(client: FlaskClient) -> None:
    assert client.get("/metrics").headers["Content-Type"].count("charset") == 1
