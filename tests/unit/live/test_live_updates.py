"""What a page is told of a study that grows: at once its name, then what changed and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from made_studies import made_study
from starlette.testclient import TestClient

from naslab.analysis.front import front
from naslab.analysis.study import read_study
from naslab.figures import report
from naslab.figures.page import BASIC_KINDS, kinds_of
from naslab.ledger import Ledger
from naslab.live import watch as watching
from naslab.live.app import make_app
from naslab.live.compared import ComparedNetworks
from naslab.live.watch import StudyWatch
from naslab.study.outcome import Failure, Fidelity, Outcome


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.0)
    with Ledger.open(tmp_path / "l.db") as opened:
        made_study(opened, "<b>one", trials=12, failing=(2, 5))
        yield opened


@pytest.fixture
def client(ledger: Ledger, tmp_path: Path) -> Iterator[TestClient]:
    with Ledger.watch(tmp_path / "l.db") as watched:
        yield TestClient(make_app(watched, ["testserver"]))


def add(ledger: Ledger, accuracy: float) -> None:
    """One outcome more, as the last one was but for its accuracy (%) and its costs, which are large."""
    last = ledger.outcomes("<b>one")[-1]
    cost = msgspec.structs.replace(last.candidate.cost, macs=10**9)
    trial = last.candidate.trial + 1
    candidate = msgspec.structs.replace(last.candidate, trial=trial, arch_id=f"{trial:016x}", cost=cost)
    estimate = msgspec.structs.replace(last.estimate, measured={**last.estimate.measured, "accuracy": accuracy})
    ledger.start("<b>one", [candidate])
    ledger.finish("<b>one", Outcome(candidate=candidate, estimate=estimate, finished=last.finished + 5))


def test_a_page_says_the_name_before_anything_is_read(client: TestClient) -> None:
    assert "<h1>&lt;b&gt;one</h1>" in client.get("/study/1").text
    assert client.get("/study/99").status_code == 200
    assert client.get(f"/study/{10**30}").status_code == 200


def test_only_sections_that_changed_are_told_again(
    client: TestClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_WHOLE", 4)
    add(ledger, accuracy=1.0)  # of 13 every fourth is shown, the last one included
    first = client.get("/api/study/1/core").json()
    assert {"headline", "front", "progress", "failures", "thinned"} <= set(first["sections"])
    address = f"/api/study/1/core?since={first['version']}"
    assert client.get(address).json() == {"version": first["version"], "sections": {}}
    add(ledger, accuracy=1.0)
    assert set(client.get(address).json()["sections"]) == {"headline", "progress", "failures", "thinned"}
    add(ledger, accuracy=100.0)
    assert "front" in client.get(address).json()["sections"]
    for nonsense in ("", "-1", "x", "9" * 5000):
        assert set(client.get(f"/api/study/1/core?since={nonsense}").json()["sections"]) >= set(first["sections"])


def test_a_failure_is_counted_and_the_front_is_not_drawn_again(
    client: TestClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_WHOLE", 4)
    add(ledger, accuracy=1.0)
    first = client.get("/api/study/1/core").json()
    for drawn in (0, 1):
        monkeypatch.setattr(report, "front_section", lambda *_: pytest.fail("the front is drawn again"))
        last = ledger.outcomes("<b>one")[-1]
        trial = last.candidate.trial + 1
        candidate = msgspec.structs.replace(last.candidate, trial=trial, arch_id=f"{trial:016x}")
        failed = msgspec.structs.replace(last.estimate, measured={}, failure=Failure("diverged", "the loss was NaN"))
        ledger.start("<b>one", [candidate])
        ledger.finish("<b>one", Outcome(candidate=candidate, estimate=failed, finished=last.finished + 5))
        told = client.get(f"/api/study/1/core?since={first['version']}").json()["sections"]
        assert set(told) == {"headline", "progress", "failures", "thinned"}
        assert f"<dd>{3 + drawn}<small>diverged" in told["headline"]


def test_the_basic_bundle_draws_all_that_the_page_draws(client: TestClient) -> None:
    parts = [client.get(f"/api/study/1/{name}").json()["sections"] for name in ("core", "later", "believed")]
    kinds = kinds_of("".join(block for sections in parts for block in sections.values()))
    assert {"scatter"} <= kinds <= BASIC_KINDS


def test_the_headline_counts_networks_that_are_not_drawn(
    client: TestClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_WHOLE", 4)
    measured = len({each.candidate.arch_id for each in ledger.outcomes("<b>one") if each.is_complete})
    assert f"of {measured} that were measured" in client.get("/api/study/1/core").json()["sections"]["headline"]


def test_a_server_that_is_started_again_has_news_for_a_page_that_was_open(client: TestClient, tmp_path: Path) -> None:
    before = client.get("/api/study/1/core").json()
    with Ledger.watch(tmp_path / "l.db") as watched:
        again = TestClient(make_app(watched, ["testserver"])).get(f"/api/study/1/core?since={before['version']}").json()
    assert again["version"] > before["version"] > 1_700_000_000_000  # milliseconds of the clock, which never begin anew
    assert set(again["sections"]) == set(before["sections"])


def test_who_only_looks_does_not_wait_for_who_reads(ledger: Ledger) -> None:
    watch = StudyWatch(ledger, 1)
    before = watch.poll()
    add(ledger, accuracy=50.0)
    with watch._reading:
        assert watch.poll(waits=False) == before
    assert watch.poll(waits=False) > before


def test_that_all_is_read_is_news(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_AT_FIRST", 12)  # as many as there are: whether there are more is not known yet
    watch = StudyWatch(ledger, 1)
    before = watch.poll()
    assert watch.has_more
    assert watch.poll() > before
    assert not watch.has_more


def test_what_is_shown_of_a_large_study_is_in_the_order_finished(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_WHOLE", 6)
    watch = StudyWatch(ledger, 1)
    watch.poll_whole()
    shown = [each.finished for each in watch.view().outcomes]
    assert 2 < len(shown) < 12
    assert shown == sorted(shown)


def test_a_front_that_is_drawn_again_and_again_has_fewer_beside_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_WHOLE", 6)
    monkeypatch.setattr(watching, "MOST_DRAWN", 2)
    watch = StudyWatch(ledger, 1)
    watch.poll_whole()
    core, whole = watch.tables(is_core=True), watch.tables()
    assert {each.trial for each in core.front.front} == {each.trial for each in whole.front.front}
    assert len(core.front.points) < len(whole.front.points)


def test_compared_networks_are_counted_as_the_front_counts_them(ledger: Ledger) -> None:
    view = read_study(ledger, "<b>one")
    rng = random.Random(0)
    for _ in range(20):
        made = [
            msgspec.structs.replace(
                each,
                candidate=msgspec.structs.replace(
                    each.candidate, arch_id=f"{rng.randrange(5):016x}", fidelity=Fidelity(epochs=rng.randrange(1, 4))
                ),
            )
            for each in view.outcomes
        ]
        counted = ComparedNetworks(view.problem.objectives)
        for each in made:
            counted.add(each)
        table = front(made, view.problem.objectives)
        assert (counted.num_compared, counted.num_lower) == (len(table.points), table.num_lower)
