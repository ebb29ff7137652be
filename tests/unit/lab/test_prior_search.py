"""Searches with a prior: its pool is scored once, by workers or an earlier study, and the report says how it ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_space import SPACE

import naslab
from naslab.analysis.prior import prior_table, prior_words
from naslab.analysis.study import StudyView
from naslab.errors import NaslabError
from naslab.estimators.several import ScoresOf
from naslab.execution.events import Event, PriorScored, TrialStarted
from naslab.execution.workers import Workers
from naslab.figures.report import write_report
from naslab.ledger import Ledger
from naslab.ledger.scores import scores_of
from naslab.study.outcome import Candidate, Estimate

WIDER = SPACE.replace("[8, 12, 16, 20]", "[12, 16, 20, 24]").replace("[1, 2, 3]", "[1, 2]")


pytestmark = pytest.mark.usefixtures("in_process")


def search(space: Path, ledger: Path, **options: Any) -> StudyView:
    """A search whose outcomes are the numbers of layers: nothing is trained."""
    given: dict[str, Any] = {"dataset": "digits", "strategy": "bayes", "trials": 6, "estimator": "depth", "workers": 1}
    given |= {"objectives": ("depth",), "pool": 10, "study": "searched", "ledger": ledger}
    return naslab.search(space, **given | options)


def test_the_pool_is_scored_once_and_the_study_goes_on(
    space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Event] = []
    asked: list[str] = []
    own = ScoresOf.estimate

    def estimate(self: ScoresOf, candidate: Candidate, bench: Any) -> Estimate:
        asked.append(candidate.arch_id)
        return own(self, candidate, bench)

    monkeypatch.setattr(ScoresOf, "estimate", estimate)
    ledger = tmp_path / "studies.db"
    first = search(space, ledger, prior="layers, activations", on_event=heard.append)
    assert first.record.prior == "layers,activations"
    assert len(asked) == len(set(asked)) == 10
    assert len(first.outcomes) == 6
    assert {each.prior for each in first.scores} == {"layers", "activations"}
    assert len(first.scores) == 20
    assert [each.number for each in heard if isinstance(each, PriorScored)] == list(range(1, 11))
    assert "prior" in {each.candidate.origin["operator"] for each in first.outcomes}
    again = search(space, ledger, prior="layers,activations", trials=8)
    assert len(asked) == 10
    assert again.scores == first.scores
    assert again.outcomes[:6] == first.outcomes


def test_scoring_goes_on_where_it_was_interrupted(space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, count = ScoresOf.estimate, 0

    def estimate(self: ScoresOf, candidate: Candidate, bench: Any) -> Estimate:
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt
        return own(self, candidate, bench)

    monkeypatch.setattr(ScoresOf, "estimate", estimate)
    ledger = tmp_path / "studies.db"
    with pytest.raises(KeyboardInterrupt):
        search(space, ledger, prior="layers")
    with Ledger.open(ledger) as opened:
        assert len(scores_of(opened, "searched")) == 4
    whole = search(space, ledger, prior="layers")
    assert count == 5 + 6
    plain = search(space, tmp_path / "other.db", prior="layers")
    told = [[each.candidate.arch_id for each in view.outcomes] for view in (whole, plain)]
    assert told[0] == told[1]


def test_the_report_says_how_the_prior_ranked(space: Path, tmp_path: Path) -> None:
    view = search(space, tmp_path / "studies.db", prior="layers", pool=1000)
    table = prior_table(view)
    assert table is not None
    [row] = table.rows
    assert (row.name, row.num_failed, row.num_compared) == ("layers", 0, 6)
    assert row.tau.value > 0.5
    assert prior_words(table)[0].startswith("prior layers: Kendall's tau with depth 0.")
    page = tmp_path / "report.html"
    write_report(view, page, "studies.db")
    assert "How the prior ranked" in page.read_text(encoding="utf-8")
    assert prior_table(search(space, tmp_path / "studies.db", study="without")) is None


def test_an_earlier_study_of_another_space_is_a_prior(space: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "studies.db"
    search(space, ledger, study="earlier", trials=12, strategy="random")
    wider = tmp_path / "wider.yaml"
    wider.write_text(WIDER, encoding="utf-8")
    view = search(wider, ledger, prior="study:earlier", pool=1000)
    table = prior_table(view)
    assert table is not None
    [row] = table.rows
    assert row.name == "study:earlier"
    assert row.num_scored == len({each.arch_id for each in view.scores}) == 16
    assert row.tau.value > 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"prior": "layers", "strategy": "evolution"},
            "prior: is for --strategy bayes or bayes_per_second, got 'evolution'",
        ),
        ({"prior": "short"}, "prior: 'short' is a training"),
        ({"prior": "nasswot"}, "did you mean"),
        ({"prior": " , "}, "prior: needs the name of an estimator"),
        ({"prior": "study:absent"}, "absent"),
        ({"prior": "layers", "pool": 1}, "pool: must be at least 2"),
    ],
)
def test_what_cannot_be_a_prior_is_refused(space: Path, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    ledger = tmp_path / "studies.db"
    Ledger.open(ledger).close()
    with pytest.raises(NaslabError, match=words):
        search(space, ledger, **options)
    with Ledger.open(ledger) as opened:
        assert opened.study_names() == []


def test_another_prior_is_another_search(space: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "studies.db"
    search(space, ledger, prior="layers", trials=2)
    for options in ({"prior": None}, {"prior": "macs"}, {"prior": "layers", "pool": 12}):
        with pytest.raises(NaslabError, match=r"was made with another (prior|pool)"):
            search(space, ledger, trials=2, **options)


def test_a_deterministic_study_is_the_same_where_scoring_was_interrupted(
    space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, count = ScoresOf.estimate, 0

    def estimate(self: ScoresOf, candidate: Candidate, bench: Any) -> Estimate:
        nonlocal count
        count += 1
        if count == 8:
            raise KeyboardInterrupt
        return own(self, candidate, bench)

    monkeypatch.setattr(ScoresOf, "estimate", estimate)
    options: dict[str, Any] = {"prior": "layers", "deterministic": True}
    with pytest.raises(KeyboardInterrupt):
        search(space, tmp_path / "studies.db", **options)
    with Ledger.open(tmp_path / "studies.db") as opened:
        assert 0 < len(opened.outcomes("searched")) < 6
    whole, plain = (search(space, tmp_path / name, **options) for name in ("studies.db", "other.db"))
    assert [each.candidate for each in whole.outcomes] == [each.candidate for each in plain.outcomes]


def test_workers_that_join_by_the_ledger_find_the_pool_scored(space: Path, tmp_path: Path) -> None:
    """They train alone: the pool is scored here before the first trial is offered to them."""
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, TrialStarted):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        search(space, tmp_path / "studies.db", prior="layers", workers=Workers(kind="ledger", count=1), on_event=hear)
    assert [each.number for each in heard if isinstance(each, PriorScored)] == list(range(1, 11))
    with Ledger.open(tmp_path / "studies.db") as opened:
        assert len(scores_of(opened, "searched")) == 10
