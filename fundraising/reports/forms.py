"""Forms of the finance pages."""

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import StringField
from wtforms.validators import InputRequired

from fundraising.i18n import lazy_gettext as _l


class StatementForm(FlaskForm):
    """A bank's statement and the account it is of."""

    account = StringField(_l("Bank account number"), [InputRequired(_l("Please fill this in."))])
    file = FileField(_l("Statement (CSV)"), [FileRequired(_l("Choose a file first."))])
