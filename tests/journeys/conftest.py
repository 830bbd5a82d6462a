"""Journeys run the whole stack and a real browser."""

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from local import chromium
from local.processes import free_port
from local.stack import Stack

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stopped stack with the demonstration, made once for all processes of a run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, is_made = shared / "demonstration", shared / "demonstration.made"
    with (shared / "demonstration.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made.exists():
            Stack(folder, demo=True).prepare()
            is_made.touch()
    return folder


@pytest.fixture(scope="module")
def stack(demonstration: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything that `make run` starts, on free ports, with the demonstration, for one module."""
    folder = tmp_path_factory.mktemp("stack") / "a path with spaces"
    subprocess.run(["cp", "--archive", demonstration, folder], check=True)
    (folder / "ports.json").unlink()
    server = folder / "postgres" / "server.json"
    server.write_text(json.dumps(json.loads(server.read_text()) | {"port": str(free_port())}))
    with Stack(folder, demo=True, env={"RATELIMIT_ENABLED": "false"}) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium.find(), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def person(browser: Browser, stack: Stack) -> Iterator[Callable[..., BrowserContext]]:
    """Opens a browser of somebody's own; its console must stay empty (that is the CSP's test)."""
    opened: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(**options: object) -> BrowserContext:
        context = browser.new_context(base_url=stack.base_url, locale="zh-CN", **options)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        context.on("console", lambda message: complaints.append(message.text))
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()
    assert [c for c in complaints if "Content Security" in c or "Uncaught" in c] == []
