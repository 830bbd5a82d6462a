"""Journeys run the whole stack and a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from local import chromium
from local.stack import Stack

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything that `make run` starts, on free ports, with the demonstration."""
    folder: Path = tmp_path_factory.mktemp("stack with spaces")
    running = Stack(folder, demo=True, env={"RATELIMIT_ENABLED": "false"})
    running.start()
    yield running
    running.stop()


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
