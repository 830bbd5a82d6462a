"""How the site is served: ``python -m fundraising.front.server --host 127.0.0.1 --port 8000``.

One process makes the application; the processes that answer are its children, so that a start, or a child's
start after it died, costs the making once. The words are Granian's.
"""

import multiprocessing
import sys
from importlib import import_module

from granian import cli

OPTIONS = (
    "--interface", "rsgi", "--loop", "uvloop", "--http", "1", "--no-ws", "--http1-header-read-timeout", "10000",
    "--http1-buffer-size", "65536", "--backlog", "2048", "--backpressure", "2048",
    "--respawn-failed-workers",
)  # fmt: skip
"""Heads have ten seconds and 64 kB, and a connection that only waits costs no thread, so there may be thousands."""
SITE = "rsgi"


def main() -> None:
    """Serve the site until asked to stop."""
    multiprocessing.set_start_method("fork")
    import_module(SITE)
    sys.argv[1:] = [*OPTIONS, *sys.argv[1:], f"{SITE}:app"]
    cli.entrypoint()


if __name__ == "__main__":
    main()
