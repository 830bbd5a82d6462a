"""What the care of devices refuses."""

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class DeviceNotFound(NotFound):
    """No such device."""

    message = _l("We could not find that device.")


class ReportNotFound(NotFound):
    """No such fault report, or it is closed."""

    message = _l("We could not find that report.")


class DeviceChanged(DomainError):
    """Somebody changed the device after the page was opened."""

    code = "device_changed"
    message = _l("Someone else changed this in the meantime. Please look at it again.")


class SerialsRefused(Invalid):
    """Serial numbers are missing, unreadable, doubled or known already; ``extra['serials']`` names them."""

    code = "serials_refused"
    message = _l("Serial numbers are missing, written twice or known already.")


class OutsideCounty(Invalid):
    """The coordinates lie outside the county that was named."""

    code = "outside_county"
    message = _l("These coordinates do not lie in that county.")


class DayImpossible(Invalid):
    """A date in the future, or before what must have come first."""

    code = "day_impossible"
    message = _l("This date lies in the future or before the step that came first.")


class PartsExpired(Invalid):
    """A device whose pads or battery are over their date does not pass."""

    code = "parts_expired"
    message = _l("Pads or battery are past their date: this device cannot pass the inspection.")


class NotInstalled(DomainError):
    """The step needs a device that hangs somewhere."""

    code = "not_installed"
    message = _l("This device is not installed.")


class ReasonNeeded(Invalid):
    """A removal, a withdrawal from service or a closed report needs words."""

    code = "reason_needed"
    message = _l("Please give the reason.")
