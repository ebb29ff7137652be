"""The live page in a real browser during a real search, at two widths."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from browser_visit import WAIT_MILLISECONDS
from live_server import live_server
from made_studies import made_problem, made_study
from processes import HANG_SECONDS, wait_until

from naslab.errors import NaslabError
from naslab.execution.executor import EpochDone, Finished
from naslab.execution.search import run_search
from naslab.ledger import Ledger
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Candidate, EpochRecord, Estimate

SEARCH = "import sys; sys.argv[0] = 'naslab'; from naslab.cli.main import run; run()"
HELD = """
import time
from pathlib import Path


def evaluate(network, trial):
    is_first = not Path("begun").exists()
    Path("begun").touch()
    for epoch in (1, 2):
        trial.report(epoch, score=50.0 + epoch)
    while not is_first and not Path("go").exists():
        time.sleep(0.05)
    return {"score": 60.0 + sum(each.numel() for each in network.parameters()) / 1e4}
"""
"""A user's training: all but the first one wait for the file `go`."""
DRAW_ALL = "window.naslabPage.drawAll(document).then(() => null)"
COUNT_TAKEN = """() => {
  window.taken = 0;
  const count = (node) => { if (node.matches?.(".plot") || node.querySelector?.(".plot")) window.taken += 1; };
  new MutationObserver((all) => all.forEach((each) => each.removedNodes.forEach(count)))
    .observe(document.querySelector("[data-part=front]"), { childList: true, subtree: true });
}"""
MOST_CANDIDATES = "Math.max(...document.querySelector('#candidates').data.flatMap((each) => [...each.x]))"
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


class Paced:
    """An executor that reports two epochs and then waits, before each end, until the page has shown them."""

    num_slots = 1

    def __init__(self) -> None:
        self.may_go_on = threading.Semaphore(0)
        self._queue: list[EpochDone | Finished] = []

    def submit(self, candidate: Candidate) -> None:
        epochs = [EpochDone(candidate, EpochRecord(each, 1.0, 1.0, 40.0 + each, float(each))) for each in (1, 2)]
        done = Estimate(measured={"accuracy": 90.0 + candidate.trial}, wall_seconds=1.0)
        self._queue += [*epochs, Finished(candidate, done)]

    def wait(self, timeout: float) -> list[EpochDone | Finished]:
        if isinstance(self._queue[0], Finished) and not self.may_go_on.acquire(timeout=timeout):
            return []
        return [self._queue.pop(0)]


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: messages.append(f"error: {error}"))
    yield page
    assert messages == []
    context.close()


def test_a_search_is_followed_from_its_epochs_to_its_end(visit: Any, tmp_path: Path) -> None:
    executor, problem = Paced(), made_problem()
    with Ledger.open(tmp_path / "l.db") as ledger:
        made_study(ledger, HOSTILE, trials=6, problem=problem, failing=(1,))
        ledger.set_trials(HOSTILE, 8)

    def search() -> None:
        with Ledger.open(tmp_path / "l.db") as ledger:
            strategy = make_strategy("random", problem, seed=5)
            run_search(HOSTILE, ledger, strategy, executor, problem, 1, 0, 8)  # type: ignore[arg-type]

    driver = threading.Thread(target=search, daemon=True)
    with live_server(tmp_path / "l.db") as address:
        driver.start()
        visit.goto(address)
        visit.wait_for_selector(".state.running")
        assert visit.text_content("tbody th a") == HOSTILE
        visit.click("tbody th a")
        visit.wait_for_selector("html[data-whole]")
        visit.wait_for_selector("[data-part=now] svg.spark .curve")
        assert "trial 6" in visit.inner_text("[data-part=now]")
        assert visit.text_content("h1") == HOSTILE
        assert "5" in visit.inner_text("dl.headline")
        visit.evaluate(COUNT_TAKEN)
        executor.may_go_on.release()
        visit.wait_for_selector("[data-part=now] button[data-trial='7']")
        executor.may_go_on.release(5)
        driver.join(HANG_SECONDS)
        assert not driver.is_alive()
        visit.wait_for_selector(".state.finished")
        visit.wait_for_selector("[data-part=headline] >> text=/9[78]/")
        assert visit.evaluate("window.taken") == 0
        visit.evaluate(DRAW_ALL)
        assert visit.evaluate("[...document.querySelectorAll('.plot .main-svg')].length") > 3
        visit.click("[data-part=candidates] button[data-trial='7']")
        visit.wait_for_selector("dialog[open] h2")
        assert "Lineage" in visit.inner_text("dialog")
        assert visit.title() != "taken"
        assert visit.locator("img").count() == 0
        for width in (1300, 360):
            visit.set_viewport_size({"width": width, "height": 900})
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert visit.evaluate(wide) == 0


@pytest.mark.slow
def test_the_page_goes_on_where_its_driver_is_killed_and_resumed(visit: Any, tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text(HELD, encoding="utf-8")
    asked = "search digits_demo --study real --estimator held:evaluate --objectives score:max,macs --trials 4"
    asked += " --epochs 4 --workers 1 --strategy local --ledger l.db"
    command = [sys.executable, "-c", SEARCH, *asked.split()]
    with ExitStack() as started:

        def drive() -> subprocess.Popen[bytes]:
            driver = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            started.callback(driver.kill)
            return driver

        first = drive()
        assert wait_until(lambda: num_finished(tmp_path / "l.db") > 0 or first.poll() is not None)
        with live_server(tmp_path / "l.db") as address:
            visit.goto(f"{address}study/1")
            visit.wait_for_selector(".state.running")
            visit.wait_for_selector(f"[data-part=now] >> text=worker-0 on {socket.gethostname()}")
            visit.wait_for_selector("[data-part=now] svg.spark .curve")
            first.kill()
            first.wait()
            visit.wait_for_selector(".state.stopped")
            before = num_finished(tmp_path / "l.db")
            assert before == 1
            (tmp_path / "go").touch()
            second = drive()
            visit.wait_for_selector(".state.running")
            visit.wait_for_selector(".state.finished")
            visit.wait_for_selector("[data-part=candidates] >> text=4 of 4 candidates")
            assert second.wait(HANG_SECONDS) == 0
            visit.click("[data-part=candidates] button[data-trial='3']")
            visit.wait_for_selector("dialog[open] table")
            assert "parents" in visit.inner_text("dialog")
            drawing = visit.get_attribute("dialog a", "href")
            visit.goto(f"{address.rstrip('/')}{drawing}")
            visit.wait_for_selector("svg")


def num_finished(location: Path) -> int:
    """How many outcomes a ledger holds; none where it is not made yet."""
    if not location.exists():
        return 0
    with suppress(NaslabError), Ledger.watch(location) as ledger:
        return sum(map(ledger.num_outcomes, ledger.study_names()))
    return 0


def add_outcome(location: Path, study: str) -> None:
    """One outcome more, as the last one was."""
    with Ledger.open(location) as ledger:
        done = ledger.outcomes(study)[-1]
        candidate = msgspec.structs.replace(done.candidate, trial=done.candidate.trial + 1, arch_id="f" * 16)
        ledger.start(study, [candidate])
        ledger.finish(study, msgspec.structs.replace(done, candidate=candidate, finished=done.finished + 1))


def test_studies_are_compared_and_filtered(visit: Any, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        problem = made_study(ledger, "one", trials=8)
        made_study(ledger, "two", seed=1, trials=8, problem=problem, failing=(3,))
    with live_server(tmp_path / "l.db") as address:
        visit.goto(address)
        visit.wait_for_selector("html[data-drawn]")
        for box in visit.locator("input[type=checkbox]").all():
            box.check()
        visit.click("text=Compare the chosen")
        visit.wait_for_selector("#compare h1")
        visit.wait_for_selector("html[data-drawn]")
        assert visit.text_content("h1") == "one against two"
        visit.evaluate(DRAW_ALL)
        assert visit.locator(".plot .main-svg").count() >= 3
        assert visit.evaluate(MOST_CANDIDATES) == 8
        add_outcome(tmp_path / "l.db", "one")
        visit.wait_for_selector("html[data-compared*='1:9:']")
        visit.evaluate(DRAW_ALL)
        assert visit.evaluate(MOST_CANDIDATES) == 9
        visit.goto(f"{address}study/2")
        visit.wait_for_selector("html[data-whole]")
        visit.fill("input[type=search]", "diverged")
        assert visit.locator("[data-part=candidates] tbody tr").count() == 1
        visit.wait_for_selector("#parallel canvas")
        assert "7 of 7 networks" in visit.inner_text("#parallel")
        visit.locator("#parallel canvas").scroll_into_view_if_needed()
        box = visit.locator("#parallel canvas").bounding_box()
        visit.mouse.move(box["x"] + 46, box["y"] + 34)  # the upper half of the first axis
        visit.mouse.down()
        visit.mouse.move(box["x"] + 46, box["y"] + box["height"] / 2, steps=3)
        visit.mouse.up()
        kept = int(visit.inner_text("#parallel p").partition(" of 7")[0])
        assert 0 < kept < 7
        visit.mouse.click(box["x"] + 46, box["y"] + box["height"] / 3)
        assert "7 of 7 networks" in visit.inner_text("#parallel")
