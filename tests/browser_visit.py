"""A page opened in a real browser, with everything it said and asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from processes import HANG_SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_MILLISECONDS = 1000 * HANG_SECONDS
"""In place of playwright's 30 seconds, which a page may take on a busy machine."""
DRAWN = "html[data-drawn]"
"""What is near the screen is drawn."""


class Visit:
    """An opened page with everything it said and asked for; it `draws_all`, also what is far from the screen."""

    def __init__(self, browser: Browser, path: Path, width: int, height: int = 800, draws_all: bool = True) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.context.set_default_timeout(WAIT_MILLISECONDS)
        self.page = self.context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_selector(DRAWN)
        if draws_all:
            self.page.evaluate("window.naslabPage?.drawAll(document).then(() => null)")

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
