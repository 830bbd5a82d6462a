"""Coordinates: WGS-84 is the truth; GCJ-02 (used by Chinese maps) is converted at the edges.

In Chengde the two differ by about 560 m, which matters when a life does.
"""

from math import cos, pi, sin, sqrt

AXIS = 6378245.0
ECCENTRICITY = 0.00669342162296594323
COUNTIES = (
    "双桥区",
    "双滦区",
    "鹰手营子矿区",
    "承德县",
    "兴隆县",
    "滦平县",
    "隆化县",
    "丰宁满族自治县",
    "宽城满族自治县",
    "围场满族蒙古族自治县",
    "平泉市",
)
STEPS = 8


def to_gcj02(lat: float, lon: float) -> tuple[float, float]:
    """Return the GCJ-02 position of a WGS-84 one; outside China nothing changes."""
    if not _in_china(lat, lon):
        return lat, lon
    x, y = lon - 105.0, lat - 35.0
    shift_lat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    shift_lon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    wave = (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3
    shift_lat += wave + (20 * sin(y * pi) + 40 * sin(y / 3 * pi)) * 2 / 3
    shift_lat += (160 * sin(y / 12 * pi) + 320 * sin(y * pi / 30)) * 2 / 3
    shift_lon += wave + (20 * sin(x * pi) + 40 * sin(x / 3 * pi)) * 2 / 3
    shift_lon += (150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    radians = lat / 180 * pi
    magic = 1 - ECCENTRICITY * sin(radians) ** 2
    shift_lat = shift_lat * 180 / (AXIS * (1 - ECCENTRICITY) / (magic * sqrt(magic)) * pi)
    shift_lon = shift_lon * 180 / (AXIS / sqrt(magic) * cos(radians) * pi)
    return lat + shift_lat, lon + shift_lon


def to_wgs84(lat: float, lon: float) -> tuple[float, float]:
    """Return the WGS-84 position of a GCJ-02 one, by fixed-point steps to under a millimetre."""
    found_lat, found_lon = lat, lon
    for _ in range(STEPS):
        there_lat, there_lon = to_gcj02(found_lat, found_lon)
        found_lat, found_lon = found_lat + lat - there_lat, found_lon + lon - there_lon
    return found_lat, found_lon


def _in_china(lat: float, lon: float) -> bool:
    return 0.8293 <= lat <= 55.8271 and 72.004 <= lon <= 137.8347
