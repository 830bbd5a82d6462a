"""Registering platforms with their clearing account, and saving how their files are read."""

import re
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import func, select

from fundraising.audit import service as audit
from fundraising.database import Text2, db
from fundraising.ledger import chart, clearing
from fundraising.payments.platforms import queries
from fundraising.payments.platforms.errors import MappingRefused, PlatformKnown, PlatformRefused
from fundraising.payments.platforms.mapping import (
    FIELDS,
    REQUIRED,
    STANDARD,
    WORDS,
    Mapping,
    normal,
)
from fundraising.payments.platforms.models import Platform, SavedMapping

CODE = re.compile(r"[a-z][a-z0-9_]{1,30}", re.ASCII)


def register(code: str, name: Text2, actor_id: UUID | None) -> Platform:
    """Register a platform; it gets the next free sub-account 1009.xx where its money waits for the bank.

    Raises:
        PlatformRefused: code or name cannot be used.
        PlatformKnown: the code is taken.
    """
    if not CODE.fullmatch(code) or not name.get("zh", "").strip():
        raise PlatformRefused
    if chart.has_clearing(code) or db.session.get(Platform, code) is not None:
        raise PlatformKnown
    account = clearing.open_account(
        code,
        {
            "zh": f"其他货币资金—{name['zh']}",
            "en": f"Clearing: {name.get('en') or name['zh']}",
        },
    )
    platform = Platform(code=code, name=name, created_by=actor_id)
    db.session.add(platform)
    db.session.flush()
    audit.record("platform.registered", f"platform:{code}", actor_id, {"account": account})
    return platform


def save_mapping(mapping: Mapping, actor_id: UUID | None) -> Mapping:
    """Keep a mapping as the next version of its name; what was saved before stays as it was.

    Raises:
        PlatformNotFound: no such platform.
        MappingRefused: number, amount and time do not stand in columns of their own.
    """
    platform = queries.get(mapping.platform, lock=True)
    _require_usable(mapping.columns)
    name = mapping.name.strip() or STANDARD
    query = select(func.coalesce(func.max(SavedMapping.version), 0)).where(
        SavedMapping.platform == platform.code, SavedMapping.name == name
    )
    version = db.session.execute(query).scalar_one() + 1
    words = {**WORDS, **{k: tuple(w for w in ws if w) for k, ws in mapping.words.items()}}
    kept = replace(mapping, name=name, version=version, words=words)
    db.session.add(
        SavedMapping(
            platform=platform.code,
            name=name,
            version=version,
            body=kept.body(),
            saved_by=actor_id,
        )
    )
    db.session.flush()
    audit.record("mapping.saved", f"platform:{platform.code}", actor_id, {"mapping": kept.label})
    return kept


def _require_usable(columns: MappingType[str, Sequence[str]]) -> None:
    if any(not columns.get(name) for name in REQUIRED) or not set(columns) <= set(FIELDS):
        raise MappingRefused
    chosen = [normal(heading) for headings in columns.values() for heading in headings]
    if len(chosen) != len(set(chosen)):
        raise MappingRefused
