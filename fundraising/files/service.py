"""Keeping files: bytes on disk first (flushed), the row after, so no row is without its bytes."""

import hashlib
import os
import unicodedata
from pathlib import Path
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from fundraising.database import db
from fundraising.files import pictures
from fundraising.files.errors import FileNotFound, FileRefused, PictureRefused, TableRefused
from fundraising.files.models import StoredFile

MAX_BYTES = 10 * 1024 * 1024
MAX_TABLE_BYTES = 24 * 1024 * 1024
MAGIC = (
    (b"%PDF-", "application/pdf", ".pdf"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
)
NAME_LENGTH = 80
TABLE = "application/octet-stream"
LEGIBLE = 2600
"""The longer side in pixels at which a photographed A4 page can still be read."""


def store(data: bytes, name: str, *, is_public: bool, is_bare: bool = False) -> StoredFile:
    """Keep a document: PDF, JPEG, PNG or WebP by its first bytes, at most 10 MB.

    A picture of a paper that becomes public, or is to be kept bare, is re-encoded and loses its metadata
    (place, camera).

    Raises:
        FileRefused: too large, empty, broken, or of another kind.
    """
    mime = sniff(data)
    if mime is None or len(data) > MAX_BYTES:
        raise FileRefused
    if (is_public or is_bare) and mime.startswith("image/"):
        data, mime, name = _bare(data), "image/webp", f"{Path(_clean(name)).stem}.webp"
    return _keep(data, _clean(name), mime, is_public=is_public)


def store_photo(data: bytes, name: str = "photo.webp", *, is_public: bool = True) -> StoredFile:
    """Keep a photo: re-encoded in two sizes, upright, without any metadata (place, camera, thumbnails).

    Raises:
        PictureRefused: not a picture, too large, or broken.
    """
    if len(data) > MAX_BYTES:
        raise PictureRefused
    try:
        large, small = pictures.recode(data, (pictures.LARGE, pictures.SMALL))
    except pictures.BadPicture as bad:
        raise PictureRefused from bad
    stem = Path(_clean(name)).stem
    thumbnail = _keep(small, f"{stem}-small.webp", "image/webp", is_public=is_public)
    photo = _keep(large, f"{stem}.webp", "image/webp", is_public=is_public)
    photo.thumbnail_id = thumbnail.id
    db.session.flush()
    return photo


def store_upload(data: bytes, name: str) -> StoredFile:
    """Keep a table (CSV or XLSX) that staff sent, never public. Raises TableRefused."""
    if not 0 < len(data) <= MAX_TABLE_BYTES:
        raise TableRefused
    return _keep(data, _clean(name), TABLE, is_public=False)


def _bare(data: bytes) -> bytes:
    try:
        return pictures.recode(data, (LEGIBLE,))[0]
    except pictures.BadPicture as bad:
        raise FileRefused from bad


def get(file_id: UUID) -> StoredFile:
    """Return a file's row. Raises FileNotFound."""
    found = db.session.get(StoredFile, file_id)
    if found is None:
        raise FileNotFound
    return found


def read(file_id: UUID) -> bytes:
    """Return the bytes of a file. Raises FileNotFound."""
    try:
        return path(get(file_id).sha256).read_bytes()
    except OSError as gone:
        raise FileNotFound from gone


def path(sha256: str) -> Path:
    """Return where bytes with that hash are kept."""
    root: Path = current_app.extensions["settings"].files_dir
    return root.resolve() / sha256[:2] / sha256


def sniff(data: bytes) -> str | None:
    """Return the kind of a document by its first bytes, None for anything that is not kept."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime, _ in MAGIC if data.startswith(magic)), None)


def _keep(data: bytes, name: str, mime: str, *, is_public: bool) -> StoredFile:
    digest = hashlib.sha256(data).hexdigest()
    query = select(StoredFile).where(StoredFile.sha256 == digest, StoredFile.is_public == is_public)
    known = db.session.execute(query).scalar_one_or_none()
    _write(path(digest), data)
    if known is not None:
        return known
    kept = StoredFile(sha256=digest, name=name, mime=mime, size=len(data), is_public=is_public)
    db.session.add(kept)
    db.session.flush()
    return kept


def _write(target: Path, data: bytes) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with scratch.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _clean(name: str) -> str:
    base = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    kept = "".join(c for c in base if unicodedata.category(c)[0] not in "CZ" or c == " ").strip(
        " ."
    )
    return kept[-NAME_LENGTH:] or "file"
