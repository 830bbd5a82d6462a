"""Roles of staff and what each may do. Money never leaves on one person's word."""

from fundraising.i18n import lazy_gettext as _l

PERMISSIONS: dict[str, frozenset[str]] = {
    "campaign_editor": frozenset({"campaign.edit", "gift.view", "cash.count"}),
    "buyer": frozenset({"purchase.prepare", "purchase.approve", "payment.prepare", "goods.keep"}),
    "finance": frozenset(
        {
            "finance.view",
            "finance.post",
            "gift.view",
            "gift.import",
            "cash.count",
            "goods.keep",
            "purchase.approve",
            "payment.prepare",
            "payment.approve",
        }
    ),
    "installer": frozenset({"device.install", "device.inspect", "goods.keep"}),
    "auditor": frozenset({"finance.view", "gift.view", "audit.view"}),
}
ADMINISTRATOR = "administrator"
LABELS = {
    "campaign_editor": _l("Campaign editor"),
    "buyer": _l("Buyer"),
    "finance": _l("Finance"),
    "installer": _l("Installer"),
    "auditor": _l("Auditor"),
    ADMINISTRATOR: _l("Administrator"),
}
ALL_PERMISSIONS = frozenset().union(*PERMISSIONS.values()) | {"staff.manage", "work.repair"}
ROLES = (*PERMISSIONS, ADMINISTRATOR)


def permissions_of(role: str) -> frozenset[str]:
    """Return what a role may do; an unknown role may do nothing."""
    if role == ADMINISTRATOR:
        return ALL_PERMISSIONS
    return PERMISSIONS.get(role, frozenset())
