"""What opening the report and the live page of a large study takes in a browser.

    .venv/bin/python scripts/bench_pages.py --ledger FILE [--study many] [--no-report] [--json FILE]

The ledger is one of `scripts/bench_ledger.py`, or any; it is copied, and one outcome is added to the copy to see an
update. Seconds of the page are wall-clock ones of headless Chromium, `cpu` those that the page's thread computed until
then: under load the first are longer, the second are not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import Page, sync_playwright
from screenshot import CHROMIUM_OPTIONS

from naslab.ledger import Ledger

NASLAB = (sys.executable, "-m", "naslab")
PATIENCE = 600_000
PORT = 8497


def main() -> None:
    """Measure what the command line asks for and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--study", default="many")
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--json", type=Path, help="also written there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(shutil.copy(given.ledger, folder))
        with Ledger.open(ledger) as opened:
            found: dict[str, Any] = {"outcomes": opened.num_outcomes(given.study)}
        if not given.no_report:
            found["report"] = report_figures(ledger, given.study, Path(folder, "report.html"))
            print(found["report"], file=sys.stderr)
        found["live page"] = live_figures(ledger, given.study)
    text = json.dumps(found, indent=1)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n", encoding="utf-8")


def report_figures(ledger: Path, study: str, path: Path) -> dict[str, float]:
    """The size of a report, and what opening it takes."""
    subprocess.run([*NASLAB, "report", study, "--ledger", str(ledger), "--out", str(path)], check=True)
    return {"megabytes": path.stat().st_size / 1e6, **opened_page(path.resolve().as_uri(), "html[data-drawn]")}


def live_figures(ledger: Path, study: str) -> dict[str, float]:
    """What opening the page of a study takes while it is searched, and an update of it."""
    server = subprocess.Popen([*NASLAB, "dashboard", "--ledger", str(ledger), "--port", str(PORT)])
    try:
        with Ledger.open(ledger) as opened, opened.claim(study):
            key = opened.study_names().index(study) + 1
            return opened_page(f"http://127.0.0.1:{PORT}/study/{key}", "html[data-whole]", lambda: add(opened, study))
    finally:
        server.terminate()
        server.wait()


def add(ledger: Ledger, study: str) -> None:
    """One outcome more, as the last one was."""
    last = ledger.outcomes(study)[-1]
    candidate = msgspec.structs.replace(last.candidate, trial=10_000_000, arch_id="f" * 16)
    ledger.start(study, [candidate])
    ledger.finish(study, msgspec.structs.replace(last, candidate=candidate, finished=last.finished + 1))


def opened_page(address: str, ready: str, change: Any = None) -> dict[str, float]:
    """The seconds until a page paints, is drawn and is `ready`; with a `change` those of the next update, too."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_OPTIONS))
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(PATIENCE)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        patiently(page, address)
        page.wait_for_selector("html[data-drawn]")
        found = {
            "first paint s": page.evaluate(
                "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
            ),
            "drawn s": page.evaluate("performance.now() / 1000"),
            "drawn cpu s": busy(session),
        }
        page.wait_for_selector(ready)
        found["whole s"] = page.evaluate("performance.now() / 1000")
        if change is not None:
            before, was = settled(page), busy(session)
            change()
            while version_of(page) == before:
                page.wait_for_timeout(50)
            found["update ms"] = float(page.evaluate("document.documentElement.dataset.updateMilliseconds"))
            found["update cpu s"] = busy(session) - was
        browser.close()
    return {name: round(value, 3) for name, value in found.items()}


def version_of(page: Page) -> str:
    """The version that a page shows."""
    return str(page.evaluate("document.documentElement.dataset.updates"))


def settled(page: Page) -> str:
    """The version that a page shows once it was the same for some seconds: a large study is read in parts."""
    seen = ""
    while seen != (now := version_of(page)):
        seen = now
        page.wait_for_timeout(6000)
    return seen


def patiently(page: Page, address: str) -> None:
    """Open an address, whose server may not be there yet."""
    for _ in range(600):
        try:
            page.goto(address)
            return
        except Exception as error:
            if "ERR_CONNECTION_REFUSED" not in str(error):
                raise
            time.sleep(0.5)
    raise SystemExit(f"nothing answers at {address}")


def busy(session: Any) -> float:
    """The seconds that the page's thread has computed."""
    told = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(told["TaskDuration"])


if __name__ == "__main__":
    main()
