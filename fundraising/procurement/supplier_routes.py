"""Suppliers on the buyer's desk."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from fundraising.access import staff_may
from fundraising.database import transaction
from fundraising.errors import DomainError
from fundraising.i18n import gettext as _
from fundraising.procurement import queries, suppliers
from fundraising.procurement.errors import SupplierExists
from fundraising.procurement.forms import SupplierForm

UNPROCESSABLE = 422
PREPARE, SEE = "purchase.prepare", "finance.view"


def register(bp: Blueprint) -> None:
    """Add the pages of suppliers to the buyer's desk."""
    bp.add_url_rule("/suppliers", view_func=list_suppliers)
    bp.add_url_rule("/suppliers/new", view_func=new_supplier, methods=["GET", "POST"])
    bp.add_url_rule(
        "/suppliers/<uuid:supplier_id>", view_func=edit_supplier, methods=["GET", "POST"]
    )


@staff_may(PREPARE, SEE)
def list_suppliers() -> ResponseReturnValue:
    """List suppliers by name."""
    return render_template("procurement/suppliers.html", suppliers=queries.suppliers())


@staff_may(PREPARE)
def new_supplier() -> ResponseReturnValue:
    """Add a supplier."""
    form = SupplierForm()
    if not form.validate_on_submit():
        return _form(form, UNPROCESSABLE if request.method == "POST" else 200)
    try:
        with transaction():
            suppliers.create(form.facts(), current_user.id)
    except SupplierExists as known:
        form.name.errors = [str(known.message)]
        return _form(form, UNPROCESSABLE)
    flash(_("The supplier is kept."), "ok")
    return redirect(url_for(".list_suppliers"), 303)


@staff_may(PREPARE)
def edit_supplier(supplier_id: UUID) -> ResponseReturnValue:
    """Change a supplier."""
    found = queries.get_supplier(supplier_id)
    form = SupplierForm(obj=None if request.method == "POST" else found)
    if not form.validate_on_submit():
        return _form(form, UNPROCESSABLE if request.method == "POST" else 200)
    try:
        with transaction():
            suppliers.edit(
                supplier_id,
                form.facts(),
                version=form.version.data or 0,
                actor_id=current_user.id,
            )
    except SupplierExists as known:
        form.name.errors = [str(known.message)]
        return _form(form, UNPROCESSABLE)
    except DomainError as refused:
        flash(str(refused.message), "error")
        return _form(form, int(refused.status))
    flash(_("The supplier is kept."), "ok")
    return redirect(url_for(".list_suppliers"), 303)


def _form(form: SupplierForm, status: int) -> ResponseReturnValue:
    return render_template("procurement/supplier.html", form=form), status
