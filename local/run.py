"""``make run``: the whole product with the Chengde demonstration, until Ctrl-C."""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO

from local import state, translations
from local.postgres import PostgresFailed
from local.stack import ROOT, Stack, StackFailed
from local.valkey import ValkeyFailed

PASSED_ON = (
    "DATABASE_", "REDIS_", "WECHATPAY_", "ALIPAY_", "STRIPE_", "FISCAL_", "MAIL_", "SECRET_KEY",
    "PUBLIC_URL", "TRUSTED_HOSTS", "RATELIMIT_", "PAGE_CACHE_", "ORDER_MINUTES", "FILES_",
    "ORGANISATION_", "PROXY_HOPS",
)  # fmt: skip


def main() -> int:
    """Run the stack in the foreground and return the exit status."""
    port = _port(os.environ.get("PORT", "8000"))
    if port is None:
        print("PORT is a number from 1 to 65535, such as PORT=9000 make run.", file=sys.stderr)
        return 1
    folder = ROOT / "var"
    try:
        folder.mkdir(exist_ok=True)
        lock = _only_one(folder)
        translations.compile_catalogue()
    except OSError as refused:
        print(_unwritable(refused), file=sys.stderr)
        return 1
    if lock is None:
        print("Another `make run` is running in this checkout. Stop it first (Ctrl-C there).")
        return 1
    return _serve(folder, port, lock)


def _serve(folder: Path, port: int, lock: IO[str]) -> int:
    stop = _Stop()
    stack = Stack(
        folder,
        host=os.environ.get("HOST", "127.0.0.1"),
        port=port,
        env={n: v for n, v in os.environ.items() if n.startswith(PASSED_ON)},
        demo=True,
        say=lambda line: print(line, flush=True) if line else None,
    )
    try:
        stack.start()
        _announce(stack)
        stop.is_starting = False
        while not stop.is_asked:
            time.sleep(0.2)
    except (StackFailed, PostgresFailed, ValkeyFailed, OSError) as failed:
        if not stop.is_asked:
            print(
                _unwritable(failed) if isinstance(failed, OSError) and failed.filename else failed,
                file=sys.stderr,
            )
            return 1
    except KeyboardInterrupt:
        pass
    finally:
        stop.is_starting = False
        stack.stop()
        lock.close()
    print("Stopped.")
    return 0


def _unwritable(refused: OSError) -> str:
    """Say which file could not be written, and what must be: the checkout, with its var/."""
    return f"{ROOT} and its var/ must be writable: {refused.strerror} ({refused.filename})."


class _Stop:
    """Notes that somebody asked to stop; while things start it stops them at once."""

    def __init__(self) -> None:
        self.is_asked = False
        self.is_starting = True
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        is_first, self.is_asked = not self.is_asked, True
        if is_first and self.is_starting:
            raise KeyboardInterrupt


def _port(text: str) -> int | None:
    is_port = text.isascii() and text.isdigit() and 0 < int(text) < 65536
    return int(text) if is_port else None


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
        f"\n  Alipay simulator {stack.alipay_url}/"
        f"\n  Stripe simulator {stack.stripe_url}/"
        f"\n  Finance dept.    {stack.fiscal_url}/"
        f"\n  Mailbox          {stack.mailbox_url}/"
        f"\n  Logs             var/log/"
        f"\n\n  Demonstration staff (e-mail, password, role):"
    )
    for line in state.demo_accounts():
        print(f"    {line}")
    print("\n  Ctrl-C stops everything.\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
