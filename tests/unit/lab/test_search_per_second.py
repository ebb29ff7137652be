"""Searches by expected gain a second: a study goes on from the seconds it has, and the report says what they tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from in_process import workers_in_process
from tiny_space import SPACE

import naslab
from naslab.analysis.facts import facts
from naslab.analysis.study import StudyView
from naslab.errors import SpecError


def search(folder: Path, **options: Any) -> StudyView:
    """A search for deep networks: nothing is trained."""
    space = folder / "tiny.yaml"
    space.write_text(SPACE, encoding="utf-8")
    given: dict[str, Any] = {"dataset": "digits", "strategy": "bayes_per_second", "trials": 10, "estimator": "depth"}
    given |= {"objectives": ("depth",), "study": "searched", "ledger": folder / "studies.db", "workers": 1}
    with workers_in_process():
        return naslab.search(space, **given | options)


def test_a_study_goes_on_and_says_how_well_costs_tell_seconds(tmp_path: Path) -> None:
    first = search(tmp_path, trials=9)
    whole = search(tmp_path)
    assert whole.outcomes[:9] == first.outcomes
    assert len({each.candidate.arch_id for each in whole.outcomes}) == 10
    [told] = [each.value for each in facts(whole).facts if each.name == "seconds of trainings"]
    assert "over 10 networks" in told


def test_seconds_are_never_the_same(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="strategy: 'bayes_per_second' learns from seconds, which are never the same"):
        search(tmp_path, deterministic=True)
