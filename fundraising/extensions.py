"""Extensions of Flask that several slices use; ``create_app`` binds them to the application."""

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect

csrf = CSRFProtect()
limiter = Limiter(
    get_remote_address,
    in_memory_fallback=["60 per minute"],
    in_memory_fallback_enabled=True,
    key_prefix="fundraising",
)
