"""How other houses are spoken to over HTTP: within a time limit, past no proxy, following nobody elsewhere."""

import ssl
from functools import cache

import httpx


def client(timeout: httpx.Timeout | float) -> httpx.Client:
    """Return a client with these limits, in seconds."""
    return httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False, verify=_trust())


@cache
def _trust() -> ssl.SSLContext:
    """Whose certificates are believed: read once a process, because reading takes 40 ms."""
    return httpx.create_ssl_context(trust_env=False)
