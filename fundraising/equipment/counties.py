"""The names of Chengde's counties and districts in the language of the reader."""

from fundraising.equipment.geo import COUNTIES
from fundraising.i18n import language

ENGLISH = dict(
    zip(
        COUNTIES,
        (
            "Shuangqiao District",
            "Shuangluan District",
            "Yingshouyingzi District",
            "Chengde County",
            "Xinglong County",
            "Luanping County",
            "Longhua County",
            "Fengning County",
            "Kuancheng County",
            "Weichang County",
            "Pingquan City",
        ),
        strict=True,
    )
)


def name(county: str | None) -> str:
    """Return what a county is called in the language in force."""
    if not county:
        return ""
    return ENGLISH.get(county, county) if language() == "en" else county
