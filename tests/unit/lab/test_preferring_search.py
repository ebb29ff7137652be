"""Searches that prefer a part of the front: a study keeps what it prefers, and says how much of its front that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import naslab
from naslab.analysis.facts import facts
from naslab.analysis.preferred_part import preferred_words
from naslab.analysis.study import StudyView
from naslab.errors import NaslabError
from naslab.figures.report import write_report

pytestmark = pytest.mark.usefixtures("in_process")


def search(space: Path, ledger: Path, **options: Any) -> StudyView:
    """A search for deep and cheap networks: nothing is trained."""
    given: dict[str, Any] = {"dataset": "digits", "strategy": "bayes", "trials": 8, "estimator": "depth", "workers": 1}
    given |= {"objectives": ("depth", "macs"), "prefer": ("depth>=6",), "study": "searched", "ledger": ledger}
    return naslab.search(space, **given | options)


@pytest.mark.parametrize("strategy", ["bayes", "nsga2"])
def test_a_study_goes_on_as_if_it_had_not_stopped(space: Path, tmp_path: Path, strategy: str) -> None:
    search(space, tmp_path / "one.db", strategy=strategy, trials=5)
    halves = search(space, tmp_path / "one.db", strategy=strategy)
    whole = search(space, tmp_path / "two.db", strategy=strategy)
    told = [[each.candidate.arch_id for each in view.outcomes] for view in (halves, whole)]
    assert told[0] == told[1]


def test_a_study_says_what_it_prefers(space: Path, tmp_path: Path) -> None:
    view = search(space, tmp_path / "studies.db")
    assert [str(each) for each in view.problem.preferences] == ["depth>=6"]
    words = preferred_words(naslab.pareto_front(view), view.problem.preferences)
    assert words.startswith("preferred depth>=6: ")
    assert words.endswith(" of the front")
    assert [each.value for each in facts(view).facts if each.name == "preferred"] == ["depth>=6"]
    page = tmp_path / "report.html"
    write_report(view, page, ledger=str(tmp_path / "studies.db"))
    text = page.read_text(encoding="utf-8")
    assert ", preferred depth&gt;=6" in text
    assert words[1:].replace(">", "&gt;") in text
    assert preferred_words(naslab.pareto_front(view), ()) == ""


def test_another_preference_is_another_search(space: Path, tmp_path: Path) -> None:
    search(space, tmp_path / "studies.db", trials=2)
    with pytest.raises(NaslabError, match="made with another preferences: preferences is"):
        search(space, tmp_path / "studies.db", trials=2, prefer=("depth>=7",))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"strategy": "tpe"},
            "prefer: is for --strategy bayes, bayes_per_second, evolution, local, nsga2, nsga3, reinforce, got 'tpe'",
        ),
        ({"prefer": ("depth>=6", "depth>=7")}, "an objective is preferred twice: depth>=6, depth>=7"),
        ({"prefer": ("params<=9k",)}, "unknown objective to prefer 'params'"),
        ({"objectives": ("depth",)}, "prefer: chooses a part of a front"),
    ],
)
def test_what_cannot_be_preferred_is_refused(space: Path, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(NaslabError, match=words):
        search(space, tmp_path / "studies.db", **options)
