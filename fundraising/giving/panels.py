"""Panels that slices above giving add to the donor's page of a gift."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fundraising.giving.models import Gift


@dataclass(frozen=True)
class Panel:
    """A template with what it shows; it reads them as ``panel.values``."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)


_makers: list[Callable[[Gift], Panel | None]] = []


def register(maker: Callable[[Gift], Panel | None]) -> None:
    """Let a slice show something about a gift to its donor; None where there is nothing to show."""
    _makers.append(maker)


def panels(gift: Gift) -> list[Panel]:
    """Return what there is to show about a gift, in the order in which the slices came."""
    return [panel for maker in _makers if (panel := maker(gift)) is not None]
