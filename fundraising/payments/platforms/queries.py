"""Reading platforms and mappings."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from fundraising.database import Text2, db
from fundraising.payments.platforms import mapping as mappings
from fundraising.payments.platforms.errors import MappingNotFound, PlatformNotFound
from fundraising.payments.platforms.mapping import Mapping
from fundraising.payments.platforms.models import Platform, SavedMapping


def get(code: str, *, lock: bool = False) -> Platform:
    """Return a platform. Raises PlatformNotFound."""
    query = select(Platform).where(Platform.code == code)
    found = db.session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if found is None:
        raise PlatformNotFound
    return found


def list_platforms(limit: int = 100) -> list[Platform]:
    """Return all platforms by code."""
    return list(db.session.execute(select(Platform).order_by(Platform.code).limit(limit)).scalars())


def names() -> dict[str, Text2]:
    """Return the names of all platforms by code."""
    return {platform.code: platform.name for platform in list_platforms()}


def mapping(platform: str, name: str = "") -> Mapping:
    """Return the newest mapping of a platform, of one name where asked.

    Before anybody saved one it is the mapping that came with the product, else one that tries every
    heading known anywhere.

    Raises:
        PlatformNotFound: no such platform.
        MappingNotFound: no mapping of that name.
    """
    get(platform)
    query = select(SavedMapping).where(SavedMapping.platform == platform)
    if name:
        query = query.where(SavedMapping.name == name)
    newest = query.order_by(SavedMapping.saved_at.desc(), SavedMapping.version.desc()).limit(1)
    found = db.session.execute(newest).scalar_one_or_none()
    if found is not None:
        return _mapping(found)
    if name not in ("", mappings.STANDARD):
        raise MappingNotFound
    return mappings.BUILT_IN.get(platform) or replace(mappings.ANY, platform=platform)


def mapping_labelled(platform: str, label: str) -> Mapping:
    """Return the mapping with a label such as ``standard v2``, exactly that version.

    Raises:
        MappingNotFound: there is none.
    """
    name, _, version = label.rpartition(" v")
    if version == "0":
        return mappings.BUILT_IN.get(platform) or replace(mappings.ANY, platform=platform)
    query = select(SavedMapping).where(
        SavedMapping.platform == platform,
        SavedMapping.name == name,
        SavedMapping.version == (int(version) if version.isdigit() else 0),
    )
    found = db.session.execute(query).scalar_one_or_none()
    if found is None:
        raise MappingNotFound
    return _mapping(found)


def versions(platform: str, limit: int = 50) -> Sequence[SavedMapping]:
    """Return what was saved for a platform, the newest first."""
    query = (
        select(SavedMapping)
        .where(SavedMapping.platform == platform)
        .order_by(SavedMapping.saved_at.desc(), SavedMapping.version.desc())
        .limit(limit)
    )
    return list(db.session.execute(query).scalars())


def _mapping(saved: SavedMapping) -> Mapping:
    return Mapping.of(saved.platform, saved.name, saved.version, saved.body)
