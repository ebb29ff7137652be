"""Fits as studies: nothing is trained twice, an interrupted fit goes on, more seeds and points are added."""

from __future__ import annotations

from pathlib import Path

import pytest
from scaling_studies import SMALL
from tiny_search import Answer, Instant

import naslab
from naslab.analysis.scaling_fit import CompoundFit
from naslab.analysis.scaling_law import LawTable
from naslab.errors import DataError, LimitError, NaslabError, SpecError, StudyError, UnknownNameError
from naslab.execution.workers import Workers
from naslab.lab.models import Model
from naslab.scaling import Compound
from naslab.study.outcome import Candidate, Estimate

IMAGES = (40, 80, 160, 320, 640, 1000)


def by_width(candidate: Candidate) -> Estimate:
    """Wider is better, and seeds differ."""
    width = candidate.origin.get("width", 0.5)
    return Estimate(measured={"accuracy": 80 + 5 * width + 0.1 * candidate.seed, "accuracy_sem": 1.0})


def by_images(candidate: Candidate) -> Estimate:
    """An error of 100 over the square root of the images, and a little more for each seed."""
    assert candidate.fidelity.images is not None
    error = 100 * candidate.fidelity.images**-0.5 + 0.01 * candidate.seed
    return Estimate(measured={"accuracy": 100 - error, "accuracy_sem": 1.0})


class Lab:
    """Runs fits in a folder without processes, and counts what was trained."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.ledger = folder / "fit.db"
        self._patch = patch

    def fit(self, answer: Answer = by_width, **changes: object) -> tuple[CompoundFit, list[int]]:
        executor = Instant(answer=answer)
        self._patch.setattr(Workers, "start", lambda *_: executor)
        asked = {"dataset": "digits", "epochs": 2, "seeds": 2, "points": 4, "ledger": self.ledger, **changes}
        fit = naslab.fit_compound(Model("small", SMALL), **asked)  # type: ignore[arg-type]
        return fit, executor.submitted

    def law(self, **changes: object) -> tuple[LawTable, list[int]]:
        executor = Instant(answer=by_images)
        self._patch.setattr(Workers, "start", lambda *_: executor)
        asked = {"dataset": "digits", "images": IMAGES, "epochs": 2, "seeds": 2, "ledger": self.ledger, **changes}
        law = naslab.fit_data_law(Model("small", SMALL), **asked)  # type: ignore[arg-type]
        return law, executor.submitted


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def test_a_fit_trains_the_baseline_and_every_point_with_every_seed(lab: Lab) -> None:
    fit, trained = lab.fit()
    assert len(trained) == 2 * (1 + 4)
    assert fit.compound.beta == max(point.compound.beta for point in fit.points)
    assert fit.study == "small-scaling"
    assert fit.base_errors == pytest.approx((17.5, 17.4))
    again, nothing = lab.fit()
    assert nothing == []
    assert again == fit


def test_an_interrupted_fit_goes_on_where_it_was(lab: Lab) -> None:
    calls: list[int] = []

    def until_power_fails(candidate: Candidate) -> Estimate:
        calls.append(candidate.trial)
        if len(calls) == 5:
            raise RuntimeError("power failed")
        return by_width(candidate)

    with pytest.raises(RuntimeError, match="power failed"):
        lab.fit(until_power_fails)
    fit, trained = lab.fit()
    assert len(trained) == 10 - 4
    assert [len(point.errors) for point in fit.points] == [2] * 4


def test_more_seeds_and_points_are_added(lab: Lab) -> None:
    lab.fit()
    more_seeds, trained = lab.fit(seeds=3)
    assert len(trained) == 1 + 4
    assert more_seeds.best.seeds == (0, 1, 2)
    more_points, trained = lab.fit(seeds=3, points=5)
    assert len(trained) == 3
    assert len(more_points.points) == 5


def test_coefficients_by_hand(lab: Lab) -> None:
    grid = [
        Compound(alpha=2, beta=1, gamma=1),
        Compound(alpha=1, beta=1.4, gamma=1),
        Compound(alpha=1.5, beta=1.15, gamma=1),
    ]
    fit, trained = lab.fit(grid=grid, seeds=1)
    assert len(trained) == 4
    assert fit.compound == grid[1]


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"budget_ratio": 0.5}, SpecError, "budget_ratio: must be above 1"),
        ({"seeds": 0}, StudyError, "at least 1 seed, got 0"),
        ({"rounding": "plane"}, UnknownNameError, "did you mean 'plain'"),
        ({"dataset": "digit"}, UnknownNameError, "did you mean 'digits'"),
        ({"dataset": None}, DataError, "say what to train small on"),
        ({"step": 0.5}, LimitError, "widen the tolerance"),
        ({"grid": [Compound(alpha=3)]}, SpecError, r"alpha \* beta\^2 \* gamma\^2 is 4\.801"),
    ],
)
def test_bad_input_makes_no_study(lab: Lab, changes: dict[str, object], kind: type[NaslabError], message: str) -> None:
    with pytest.raises(kind, match=message):
        lab.fit(**changes)
    assert not lab.ledger.exists()


def test_another_recipe_or_length_needs_another_study(lab: Lab) -> None:
    lab.fit()
    with pytest.raises(StudyError, match="was made with another epochs"):
        lab.fit(epochs=3)


@pytest.mark.slow
def test_a_data_law_trains_every_number_of_images_for_as_many_steps(lab: Lab) -> None:
    table, trained = lab.law()
    assert len(trained) == len(IMAGES) * 2
    (law,) = table.laws
    assert law.metric == "images"
    assert [point.costs["images"] for point in table.points] == list(IMAGES)
    assert {point.num_trainings for point in table.points} == {2}
    assert law.best.exponent == pytest.approx(0.5, abs=0.01)
    assert law.forecasts[0].forecast.cost == 2000
    study = naslab.open_study("small-data-law", lab.ledger)
    steps = [each.candidate.fidelity.epochs * (each.candidate.fidelity.images or 0) for each in study.outcomes]
    assert max(steps) / min(steps) < 1.2
    again, nothing = lab.law()
    assert nothing == []
    assert again == table
    more, trained = lab.law(seeds=3)
    assert len(trained) == len(IMAGES)
    assert naslab.open_study("small-data-law", lab.ledger).record.epochs == 2
    assert more.points[0].num_trainings == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": (100, 200, 400, 800)}, "needs at least 5 different numbers of them, got 4"),
        ({"images": (100, 200, 400, 800, 1400)}, r"from 10 \(one a class\) to 1,150 .*got 100 to 1,400"),
        ({"images": (5, 200, 400, 800, 1000)}, "got 5 to 1,000"),
        ({"seeds": 0}, "at least 1 seed, got 0"),
    ],
)
def test_bad_numbers_of_images_make_no_study(lab: Lab, changes: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        lab.law(**changes)
    assert not lab.ledger.exists()
