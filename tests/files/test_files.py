"""What leaves the house carries no hidden data, and what stays opens only for those it is for."""

import io
from collections.abc import Callable
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy.orm import Session

from fundraising.files import service as files
from fundraising.files.errors import FileRefused
from tests.factories import Make
from tests.workshop import PDF, photo

Staff = Callable[[str], FlaskClient]


def test_a_public_picture_of_a_paper_loses_place_and_camera(
    client: FlaskClient, session: Session
) -> None:
    kept = files.store(photo(), "合同.jpg", is_public=True)
    session.commit()

    with client.get(f"/files/{kept.id}/contract") as answer:
        shown = answer.data

    assert kept.name == "合同.webp"
    assert answer.headers["Content-Type"] == "image/webp"
    assert b"CameraMaker" not in shown
    with Image.open(io.BytesIO(shown)) as picture:
        assert not picture.getexif()


def test_a_private_paper_is_kept_as_it_came(session: Session) -> None:
    del session
    kept = files.store(photo(), "note.jpg", is_public=False)

    assert files.read(kept.id) == photo()


def test_a_public_picture_that_cannot_be_read_is_refused(session: Session) -> None:
    del session
    with pytest.raises(FileRefused):
        files.store(b"\xff\xd8\xff broken", "contract.jpg", is_public=True)


def test_papers_are_for_staff_only(
    client: FlaskClient, staff_client: Staff, session: Session
) -> None:
    kept = files.store(PDF, "note.pdf", is_public=False)
    session.commit()

    assert client.get(f"/files/{kept.id}/note.pdf").status_code == 404
    with staff_client("installer").get(f"/files/{kept.id}/note.pdf") as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize(("role", "status"), [("finance", 200), ("installer", 404), ("buyer", 404)])
def test_tables_of_donors_are_for_those_who_import_them(
    staff_client: Staff, session: Session, role: str, status: int
) -> None:
    kept = files.store_upload(f"捐赠人,{uuid4()}".encode(), "gifts.csv")
    session.commit()

    with staff_client(role).get(f"/files/{kept.id}/gifts.csv") as answer:
        assert answer.status_code == status


@pytest.mark.parametrize("file_id", ["", "nonsense", "3a6eda93-963c-4e3a-8284-50a95fda1f3d"])
def test_booking_a_file_that_nobody_sent_is_refused_politely(
    staff_client: Staff, make: Make, file_id: str
) -> None:
    slug = make.campaign().slug

    answer = staff_client("finance").post(
        "/staff/imports/apply", data={"file_id": file_id, "campaign": slug}
    )

    assert answer.status_code in (404, 422)
