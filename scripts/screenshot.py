"""A picture of a page: `python scripts/screenshot.py report.html report.png --width 1400`.

Headless Chromium draws the file, which loads nothing else; `--select '#front-figure'` takes one element of it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE = 300_000
"""The most milliseconds that a step may take on a busy machine."""


def screenshot(
    html: Path, png: Path, width: int = 1400, height: int = 900, select: str | None = None, scale: float = 1
) -> None:
    """Draw a page as a picture: the whole page, or one element of it."""
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser_path is None:
        raise SystemExit("no Chromium found: install Debian's package 'chromium'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(CHROMIUM_OPTIONS))
        page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
        page.set_default_timeout(PATIENCE)
        page.goto(html.resolve().as_uri())
        page.wait_for_selector("html[data-drawn]")
        page.evaluate("window.naslabPage?.drawAll(document).then(() => null)")
        if select is None:
            page.screenshot(path=png, full_page=True)
        else:
            page.locator(select).screenshot(path=png)
        browser.close()


def main() -> None:
    """Take the picture that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("html", type=Path)
    parser.add_argument("png", type=Path)
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--select", help="a CSS selector of one element")
    parser.add_argument("--scale", type=float, default=1, help="pixels of the picture for one of the page")
    given = parser.parse_args()
    screenshot(given.html, given.png, given.width, given.height, given.select, given.scale)


if __name__ == "__main__":
    main()
