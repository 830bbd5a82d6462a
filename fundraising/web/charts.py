"""Drawings made on the server: where money went, what came in by day. Each has its table beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fundraising.giving.queries import Day
from fundraising.i18n import fen_short

COLOURS = 5
WIDTH, HEIGHT = 640, 200
LABELS = 6
"""Days named under the columns at most: more run into each other on a phone."""


@dataclass(frozen=True)
class Share:
    """A part of a whole in fen."""

    label: str
    fen: int


def stack(shares: Sequence[Share], title: str) -> Markup:
    """Return one bar cut into shares, in the order given; the widths are exact to a thousandth."""
    whole = sum(share.fen for share in shares)
    parts, left = Markup(""), 0
    for index, share in enumerate(shares):
        width = 1000 * share.fen // whole if whole else 0
        parts += Markup(
            '<rect class="flow-{}" x="{}" y="0" width="{}" height="34"><title>{} {}</title></rect>'
        ).format(
            colour(index, share, shares), left, max(width, 2), share.label, fen_short(share.fen)
        )
        left += width
    return Markup(
        '<svg class="flow" viewBox="0 0 1000 34" preserveAspectRatio="none" width="100%" height="34" role="img" '
        'aria-label="{}"><title>{}</title>{}</svg>'
    ).format(title, title, parts)


def colour(index: int, share: Share, shares: Sequence[Share]) -> str:
    """Return the colour of a share; the last one, what is unspent, is grey."""
    is_rest = share is shares[-1] and index > 0
    return "rest" if is_rest else str(index % COLOURS)


def columns(days: Sequence[Day], title: str) -> Markup:
    """Return what came in by day as columns, the largest in full height."""
    shown = days[-31:]
    most = max((day.amount_fen for day in shown), default=0)
    if not most:
        return Markup("")
    step = WIDTH / len(shown)
    width = max(4.0, step * 0.62)
    bars = Markup("")
    for index, day in enumerate(shown):
        height = round(150 * day.amount_fen / most, 1)
        x = round(index * step + (step - width) / 2, 1)
        bars += Markup(
            '<rect class="col" x="{}" y="{}" width="{}" height="{}" rx="3"><title>{} {}</title></rect>'
        ).format(
            x, 170 - height, round(width, 1), max(height, 1), day.day, fen_short(day.amount_fen)
        )
        if len(shown) <= LABELS or index % -(-len(shown) // LABELS) == 0:
            bars += Markup('<text x="{}" y="190" text-anchor="middle">{}</text>').format(
                round(x + width / 2, 1), day.day[5:]
            )
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>'
        '<line class="axis" x1="0" x2="{}" y1="170.5" y2="170.5"/>{}</svg>'
    ).format(WIDTH, HEIGHT, title, title, WIDTH, bars)
