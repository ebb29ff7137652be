"""One headless browser for all tests of this folder; they are skipped, with the reason, where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser_visit import CHROMIUM, WAIT_MILLISECONDS

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    with playwright_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS), timeout=WAIT_MILLISECONDS)
        yield opened
        opened.close()
