"""`pause`: a study of real trainings that goes on as it would have, what it says of itself, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_estimators import numbered_candidate
from msgspec.structs import replace

import naslab
from naslab.analysis.facts import budget_words
from naslab.analysis.pauses import PauseCounts, pause_counts
from naslab.analysis.study import StudyView
from naslab.analysis.whole_study import WholeStudy
from naslab.errors import NaslabError
from naslab.figures.report import write_report
from naslab.ledger.ledger import Ledger
from naslab.live.watch import StudyWatch
from naslab.study.outcome import Estimate, Failure, Fidelity, Outcome
from naslab.study.rungs import Rungs

GOOD = Estimate(measured={"accuracy": 50.0})

pytestmark = pytest.mark.usefixtures("in_process")


def search(space: Path, ledger: Path, **options: Any) -> StudyView:
    given: dict[str, Any] = {"dataset": "digits", "max_images": 100, "strategy": "bayes", "trials": 4, "epochs": 2}
    given |= {"workers": 1, "pause": True, "study": "paused", "ledger": ledger}
    return naslab.search(space, **given | options)


def test_a_study_of_pauses(space: Path, tmp_path: Path) -> None:
    """It goes on as one that was not stopped, and says everywhere what was spent of what."""
    whole = search(space, tmp_path / "whole.db")
    search(space, tmp_path / "halves.db", trials=3)
    halves = search(space, tmp_path / "halves.db")
    done = [
        {(each.candidate.arch_id, each.candidate.fidelity): each.value("accuracy") for each in view.outcomes}
        for view in (whole, halves)
    ]
    assert all(7 <= len(each) <= 8 for each in done)
    shared = done[0].keys() & done[1].keys()
    assert shared
    assert {key: done[0][key] for key in shared} == {key: done[1][key] for key in shared}
    ends = {each.candidate.arch_id for each in whole.outcomes if each.candidate.fidelity.epochs == 2}
    assert {point.arch_id for point in naslab.pareto_front(whole).front} <= ends
    assert (whole.record.rungs, whole.record.epochs, whole.record.num_asked) == (Rungs.every_epoch(2), 2, 8)
    assert (
        budget_words(whole.record) == "8 epochs, as many as 4 trainings of 2 epochs have, given to networks one by one"
    )
    counts = pause_counts(whole.outcomes, 2)
    assert counts.num_whole == counts.num_continued == len(ends)
    assert counts.num_epochs == counts.num_begun + counts.num_continued == len(whole.outcomes)
    page = tmp_path / "report.html"
    write_report(whole, page, ledger=str(tmp_path / "whole.db"))
    text = page.read_text(encoding="utf-8")
    assert counts.words in text
    assert "After every epoch what is expected to gain most goes on" in text
    of_many = WholeStudy(
        num_outcomes=90,
        failed={},
        num_compared=4,
        num_networks=70,
        num_lower=0,
        num_unmeasured=0,
        places=tuple(range(1, len(whole.outcomes) + 1)),
        search_seconds=tuple(float(each) for each in range(len(whole.outcomes))),
    )
    write_report(replace(whole, whole=of_many), page, ledger=str(tmp_path / "whole.db"))
    assert "90 of 8 epochs" in (text := page.read_text(encoding="utf-8"))
    assert "70 networks begun" in text
    with Ledger.open(tmp_path / "whole.db") as ledger:
        watch = StudyWatch(ledger, 1)
        watch.poll()
        assert (watch.num_done, watch.state) == (len(whole.outcomes), "finished")


def test_failures_took_an_epoch_and_are_not_ahead() -> None:
    """Of three networks one is trained to the end and one fails in its second epoch; a limit that is broken is none."""
    failed = Estimate(failure=Failure("timed_out", "took longer than 1 seconds"))
    refused = Estimate(failure=Failure("infeasible", "latency 3 ms, at most 2"))
    told = [(0, 1, GOOD), (0, 2, GOOD), (0, 3, GOOD), (1, 1, GOOD), (1, 2, failed), (2, 1, failed), (3, 1, refused)]
    outcomes = [
        Outcome(candidate=replace(numbered_candidate(network), fidelity=Fidelity(epochs=epochs)), estimate=estimate)
        for network, epochs, estimate in told
    ]
    assert pause_counts(outcomes, 3) == PauseCounts(num_begun=3, num_continued=1, num_whole=1, num_epochs=6)
    assert pause_counts([], 3) == PauseCounts(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rungs": (1, 2)}, "pause: decides after each epoch which training goes on: leave rungs out"),
        ({"stop_early": 0.95}, "pause: decides after each epoch which training goes on: leave stop_early out"),
        ({"strategy": "evolution"}, "pause: is for --strategy bayes, bayes_per_second, got 'evolution'"),
        ({"pause": False, "rungs": Rungs.every_epoch(2), "strategy": "evolution"}, "got 'evolution'"),
        ({"pause": False, "rungs": Rungs.every_epoch(2), "stop_early": 0.95}, "leave stop_early out"),
        ({"epochs": 1}, "pause: needs trainings of 2 epochs and more to pause between, got 1"),
        ({"estimator": "naswot", "epochs": None}, "trains nothing: leave rungs, inherit, stop_early and pause out"),
    ],
)
def test_what_pauses_exclude_is_refused_before_there_is_a_study(
    space: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(NaslabError) as error:
        search(space, tmp_path / "studies.db", **options)
    assert words in str(error.value)
    assert not (tmp_path / "studies.db").exists()


def test_a_study_is_not_gone_on_with_without_its_pauses(space: Path, tmp_path: Path) -> None:
    search(space, tmp_path / "studies.db", trials=1)
    with pytest.raises(NaslabError, match="another choice of what goes on: pause is true there, asked for false"):
        search(space, tmp_path / "studies.db", trials=1, pause=False)


def test_a_prior_is_scored_beside_pauses(space: Path, tmp_path: Path) -> None:
    view = search(space, tmp_path / "studies.db", trials=2, prior="naswot", pool=6)
    assert 3 <= len(view.outcomes) <= 4
    assert 1 <= len({each.arch_id for each in view.scores}) <= 6
