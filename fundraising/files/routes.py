"""Serving files: public ones to everybody, others to signed-in staff."""

from uuid import UUID

from flask import Blueprint, Response, send_file, url_for
from flask_login import current_user

from fundraising.access import public
from fundraising.files import service
from fundraising.files.errors import FileNotFound
from fundraising.files.models import StoredFile

bp = Blueprint("files", __name__)
YEAR = 365 * 24 * 3600


@bp.get("/files/<uuid:file_id>/<name>")
@public
def show(file_id: UUID, name: str) -> Response:  # noqa: ARG001  the name is for people
    """Send a file; a private one exists only for staff."""
    stored = service.get(file_id)
    if not stored.is_public and not _may_open(stored):
        raise FileNotFound
    path = service.path(stored.sha256)
    if not path.exists():
        raise FileNotFound
    response = send_file(
        path, stored.mime, download_name=stored.name, conditional=True, etag=stored.sha256
    )
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    scope = "public" if stored.is_public else "private, no-store"
    response.headers["Cache-Control"] = f"{scope}, max-age={YEAR if stored.is_public else 0}"
    return response


def _may_open(stored: StoredFile) -> bool:
    """Papers are for all staff; tables of donors only for those who import them."""
    if not current_user.is_authenticated:
        return False
    return stored.mime != service.TABLE or bool(current_user.may("gift.import"))


@bp.app_template_global("file_url")
def file_url(file_id: UUID, name: str = "file") -> str:
    """Return the address of a file."""
    return url_for("files.show", file_id=file_id, name=name)
