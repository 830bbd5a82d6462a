"""Extensions of Flask that several slices use; ``create_app`` binds them to the application."""

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect

csrf = CSRFProtect()
limiter = Limiter(
    get_remote_address,
    # Without Redis each process counts the same limits in its own memory: limits never vanish, and what
    # has none (pages, providers' notices) gets none. A list of fallback limits would apply to every route.
    in_memory_fallback_enabled=True,
    key_prefix="fundraising",
)
