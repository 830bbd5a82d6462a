"""Opening hours of the simple kind that most public places have: ``24/7`` or ``08:30-17:30``."""

import re
from datetime import datetime

from fundraising import clock

ALWAYS = frozenset({"24/7", "00:00-24:00"})
SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


def is_open(hours: str | None, at: datetime | None = None) -> bool | None:
    """Whether a place is open at an instant (now when none); None when the hours are not so simple."""
    text = (hours or "").strip()
    if text in ALWAYS:
        return True
    found = SPAN.fullmatch(text)
    if found is None:
        return None
    opens, closes = (int(found[i]) * 60 + int(found[i + 1]) for i in (1, 3))
    local = (at or clock.now()).astimezone(clock.SHANGHAI)
    minute = local.hour * 60 + local.minute
    if opens <= closes:
        return opens <= minute < closes
    return minute >= opens or minute < closes
