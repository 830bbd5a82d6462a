"""What platforms and their mappings refuse."""

from fundraising.errors import DomainError, Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class PlatformNotFound(NotFound):
    """No platform of that code is registered."""

    message = _l("No such platform is registered.")


class MappingNotFound(NotFound):
    """The platform has no mapping of that name."""

    message = _l("The platform has no mapping of that name.")


class PlatformKnown(DomainError):
    """The code is taken by a platform or channel."""

    code = "platform_known"
    message = _l("This code is taken.")


class PlatformRefused(Invalid):
    """Code or name cannot be used."""

    code = "platform_refused"
    message = _l("A code is 2 to 31 small letters, digits or underscores and begins with a letter.")


class MappingRefused(Invalid):
    """The mapping does not say where number, amount and time stand."""

    code = "mapping_refused"
    message = _l("Say where gift number, amount and time stand, each in a column of its own.")
