"""``make run``: the whole product with the Chengde demonstration, until Ctrl-C."""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO

from local import translations
from local.postgres import PostgresFailed
from local.stack import ROOT, Stack, StackFailed
from local.valkey import ValkeyFailed

PASSED_ON = (
    "DATABASE_", "REDIS_", "WECHATPAY_", "MAIL_", "SECRET_KEY", "PUBLIC_URL", "TRUSTED_HOSTS",
    "RATELIMIT_", "PAGE_CACHE_", "ORDER_MINUTES", "FILES_", "ORGANISATION_", "PROXY_HOPS",
)  # fmt: skip


def main() -> int:
    """Run the stack in the foreground and return the exit status."""
    folder = ROOT / "var"
    folder.mkdir(exist_ok=True)
    lock = _only_one(folder)
    if lock is None:
        print("Another `make run` is running in this checkout. Stop it first (Ctrl-C there).")
        return 1
    translations.compile_catalogue()
    stack = Stack(
        folder,
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8000")),
        env={n: v for n, v in os.environ.items() if n.startswith(PASSED_ON)},
        demo=True,
        say=lambda line: print(line, flush=True) if line else None,
    )
    stop = _Stop()
    try:
        stack.start()
        _announce(stack)
        while not stop.is_asked:
            time.sleep(0.2)
    except (StackFailed, PostgresFailed, ValkeyFailed) as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    finally:
        stack.stop()
        lock.close()
    print("Stopped.")
    return 0


class _Stop:
    """Notes that somebody asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True


def _only_one(folder: Path) -> IO[str] | None:
    file = (folder / "run.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _announce(stack: Stack) -> None:
    print(
        f"\n  The site         {stack.base_url}/"
        f"\n  The 2024 case    {stack.base_url}/c/aed-2024"
        f"\n  Give here        {stack.base_url}/c/aed-2025"
        f"\n  Staff            {stack.base_url}/staff"
        f"\n  WeChat simulator {stack.simulator_url}/"
        f"\n  Mailbox          {stack.mailbox_url}/"
        f"\n  Logs             var/log/"
        f"\n\n  Demonstration staff (e-mail, password, role):"
    )
    for line in stack.command("demo", "accounts").splitlines():
        print(f"    {line}")
    print("\n  Ctrl-C stops everything.\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
