"""What file storage refuses."""

from fundraising.errors import Invalid, NotFound
from fundraising.i18n import lazy_gettext as _l


class FileRefused(Invalid):
    """The file is too large, of a kind that is not kept, or broken."""

    code = "file_refused"
    message = _l("This file cannot be kept: send a PDF, JPEG, PNG or WebP of at most 10 MB.")


class TableRefused(FileRefused):
    """The table that staff sent is empty, too large or no table."""

    message = _l(
        "This file cannot be kept: send a CSV or XLSX file that is not empty, of at most 24 MB."
    )


class PictureRefused(Invalid):
    """The picture cannot be read safely."""

    code = "picture_refused"
    message = _l(
        "This picture cannot be read: send a JPEG, PNG or WebP of at most 10 MB and 40 megapixels."
    )


class FileNotFound(NotFound):
    """No such file for this person."""

    message = _l("We could not find that file.")
