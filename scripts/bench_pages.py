"""What opening the report and the live page of a large study takes in a browser.

    .venv/bin/python scripts/bench_pages.py --ledger FILE [--study many] [--no-report] [--updates 5] [--json FILE]

The ledger is one of `scripts/bench_ledger.py`, or any; it is copied, and outcomes are added to the copy, one after the
other, to see updates: networks that are dominated, failures, and networks on the front. Seconds of the page are
wall-clock ones of headless Chromium, `cpu` those that the page's thread, and with `server` all threads of the server,
computed until then: under load the first are longer, the second are not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
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
from naslab.study.outcome import Outcome

NASLAB = (sys.executable, "-m", "naslab")
PATIENCE = 600_000
PORT = 8497


def main() -> None:
    """Measure what the command line asks for and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--study", default="many")
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--updates", type=int, default=5, help="updates of each kind")
    parser.add_argument("--json", type=Path, help="also written there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(shutil.copy(given.ledger, folder))
        with Ledger.open(ledger) as opened:
            found: dict[str, Any] = {"outcomes": opened.num_outcomes(given.study)}
        if not given.no_report:
            found["report"] = report_figures(ledger, given.study, Path(folder, "report.html"))
            print(found["report"], file=sys.stderr)
        found["live page"] = live_figures(ledger, given.study, given.updates)
    text = json.dumps(found, indent=1)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n", encoding="utf-8")


def report_figures(ledger: Path, study: str, path: Path) -> dict[str, Any]:
    """The size of a report, and what opening it takes."""
    subprocess.run([*NASLAB, "report", study, "--ledger", str(ledger), "--out", str(path)], check=True)
    return {"megabytes": path.stat().st_size / 1e6, **opened_page(path.resolve().as_uri(), "html[data-drawn]")}


def live_figures(ledger: Path, study: str, updates: int) -> dict[str, Any]:
    """What opening the page of a study takes while it is searched, and `updates` of it of each kind."""
    server = subprocess.Popen([*NASLAB, "dashboard", "--ledger", str(ledger), "--port", str(PORT)])
    try:
        with Ledger.open(ledger) as opened, opened.claim(study):
            wait_for_server(PORT)
            key = opened.study_names().index(study) + 1
            changes = Changes(opened, study)
            address = f"http://127.0.0.1:{PORT}/study/{key}"
            return opened_page(address, "html[data-whole]", changes, updates, server.pid)
    finally:
        server.terminate()
        server.wait()


class Changes:
    """Outcomes that are added to a `study` of a ledger, by kind."""

    def __init__(self, ledger: Ledger, study: str) -> None:
        self._ledger, self._study = ledger, study
        every = ledger.outcomes(study)
        complete = [each for each in every if each.is_complete]
        best = max(complete, key=lambda each: each.value("accuracy"))
        self._end, self._count = every[-1].finished, 0
        self.of_kind = {
            "dominated": next(
                each for each in reversed(complete) if each.value("accuracy") < best.value("accuracy") - 5
            ),
            "failed": next(each for each in reversed(every) if not each.is_complete),
            "on the front": best,
        }

    def add(self, kind: str) -> None:
        """One outcome more of this kind; each on the front is better than the one before."""
        self._count += 1
        like = self.of_kind[kind]
        estimate = like.estimate
        if kind == "on the front":
            measured = estimate.measured | {"accuracy": like.value("accuracy") + 0.001 * self._count}
            estimate = msgspec.structs.replace(estimate, measured=measured)
        number, end = 10_000_000 + self._count, self._end + self._count
        candidate = msgspec.structs.replace(like.candidate, trial=number, arch_id=f"{number:016x}")
        self._ledger.start(self._study, [candidate])
        self._ledger.finish(self._study, Outcome(candidate=candidate, estimate=estimate, finished=end))


def opened_page(
    address: str, ready: str, changes: Changes | None = None, updates: int = 0, server: int = 0
) -> dict[str, Any]:
    """The seconds until a page paints, is drawn and is `ready`, and those of `updates` by each kind of `changes`.

    `server` is the id of the process that serves it.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_OPTIONS))
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(PATIENCE)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(address)
        page.wait_for_selector("html[data-drawn]")
        found: dict[str, Any] = {
            "first paint s": page.evaluate(
                "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
            ),
            "drawn s": page.evaluate("performance.now() / 1000"),
            "drawn cpu s": busy(session),
        }
        page.wait_for_selector(ready)
        found["whole s"] = page.evaluate("performance.now() / 1000")
        found = {name: round(value, 3) for name, value in found.items()}
        if changes is not None:
            settled(page)
            for kind in changes.of_kind:
                found[kind] = [updated(page, session, changes, kind, server) for _ in range(updates)]
        browser.close()
    return found


def updated(page: Page, session: Any, changes: Changes, kind: str, server: int) -> dict[str, float]:
    """What one update of a page takes, from the event that tells of it until it is drawn."""
    page.wait_for_timeout(1500)
    before, was, served = version_of(page), busy(session), cpu_of(server)
    changes.add(kind)
    while version_of(page) == before:
        page.wait_for_timeout(20)
    took = float(page.evaluate("document.documentElement.dataset.updateMilliseconds"))
    return {
        "update ms": took,
        "cpu s": round(busy(session) - was, 3),
        "server cpu s": round(cpu_of(server) - served, 3),
        "load": float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0]),
    }


def cpu_of(process: int) -> float:
    """The CPU seconds, of user and system, that a process took so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def wait_for_server(port: int) -> None:
    """Return when a server listens at this `port` of this machine."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.5)
    raise SystemExit(f"nothing listens at port {port}")


def busy(session: Any) -> float:
    """The seconds that the page's thread has computed."""
    told = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(told["TaskDuration"])


if __name__ == "__main__":
    main()
