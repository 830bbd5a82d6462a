"""Who may open a view: every view function says so, and an unmarked one fails the tests."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import redirect, request, url_for
from flask_login import current_user

from fundraising.errors import NotAllowed

P = ParamSpec("P")
R = TypeVar("R")
PUBLIC = "public"
SIGNED_IN = "signed_in"


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view as open to everybody."""
    view.access = PUBLIC  # type: ignore[attr-defined]
    return view


def staff_may(*permissions: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a view as open to signed-in staff who hold one of the permissions; others sign in or are refused."""
    permission = "|".join(permissions)

    def mark(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                return redirect(url_for("security.login", next=request.full_path))
            if permission != SIGNED_IN and not any(map(current_user.may, permissions)):
                raise NotAllowed(permission=permission)
            return view(*args, **kwargs)

        guarded.access = permission  # type: ignore[attr-defined]
        return guarded

    return mark
