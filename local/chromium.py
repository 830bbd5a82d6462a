"""Finds the browser that tests drive, installing it where that is possible."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APT = ["apt-get", "install", "-y", "-qq", "chromium", "fonts-noto-cjk"]


def candidates() -> Iterator[str]:
    """Yield paths where a browser may be."""
    if os.environ.get("CHROMIUM"):
        yield os.environ["CHROMIUM"]
    for name in NAMES:
        yield shutil.which(name) or ""
    for cache in (Path.home() / ".cache" / "ms-playwright").glob("chromium-*/chrome-linux*/chrome"):
        yield str(cache)


def find() -> str | None:
    """Return the path of a browser, None when there is none."""
    return next((path for path in candidates() if path and Path(path).exists()), None)


def install() -> None:
    """Try Debian's package as root, then Playwright's own download."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            ["apt-get", "update", "-qq"], check=False, env=environment, stdout=subprocess.DEVNULL
        )
        subprocess.run(APT, check=False, env=environment, stdout=subprocess.DEVNULL)
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if find() is None:
        install()
    if find() is None:
        print("Chromium is missing and could not be installed. Install it with:")
        print(
            "  apt-get install chromium fonts-noto-cjk   (or: .venv/bin/playwright install chromium)"
        )
        sys.exit(1)
