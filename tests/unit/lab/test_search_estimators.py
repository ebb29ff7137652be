"""Searches that train nothing: a predictor of what another study has measured takes the place of training."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from in_process import workers_in_process

from naslab.analysis.study import StudyView
from naslab.errors import LedgerError, NaslabError, SpecError, StudyError
from naslab.lab.calibration import calibrate
from naslab.lab.reading import open_study
from naslab.lab.search import search
from naslab.lab.search_estimators import accuracy_predictor, find_search_estimator
from naslab.study.outcome import Fidelity

ASKED = {"dataset": "digits", "max_images": 200, "workers": 1}
LEARNED = "predictor:study=taught"


@pytest.fixture(scope="module", autouse=True)
def own_process() -> Iterator[None]:
    with workers_in_process():
        yield


@pytest.fixture(scope="module")
def ledger(own_process: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ledger with a study of twelve trained networks."""
    path = str(tmp_path_factory.mktemp("lab") / "a.db")
    search("digits_demo", trials=12, epochs=1, strategy="random", study="taught", ledger=path, **ASKED)
    return path


@pytest.fixture(scope="module")
def study(ledger: str) -> StudyView:
    return open_study("taught", ledger)


@pytest.mark.slow
def test_it_learns_of_what_was_measured_where_most_networks_were(study: StudyView) -> None:
    """With rungs the first one; a extrapolated accuracy of a training that was stopped is none."""
    replace = msgspec.structs.replace
    stopped = [replace(each, estimate=replace(each.estimate, notes={"stopped": {}})) for each in study.outcomes[:2]]
    more = [
        replace(each, candidate=replace(each.candidate, fidelity=Fidelity(epochs=9))) for each in study.outcomes[2:5]
    ]
    rungs = replace(study, outcomes=(*stopped, *study.outcomes[2:], *more))
    known = accuracy_predictor(rungs).known
    by_trial = sorted(study.outcomes[2:], key=lambda each: each.candidate.trial)
    assert [each.genome for each in known] == [each.candidate.genome for each in by_trial]
    assert [each.accuracy for each in known] == [each.value("accuracy") for each in by_trial]


@pytest.mark.slow
def test_a_search_is_estimated_by_what_another_has_measured(study: StudyView, ledger: str) -> None:
    made = search("digits_demo", trials=30, estimator=LEARNED, study="dreamt", ledger=ledger, seed=5, **ASKED)
    assert len(made.outcomes) == 30
    assert all(each.is_complete and each.estimate.notes == {"known": 12} for each in made.outcomes)
    assert made.record.estimator == LEARNED
    predictor = accuracy_predictor(study)
    assert {each.accuracy for each in predictor.known} != {each.value("accuracy") for each in made.outcomes}
    with pytest.raises(StudyError, match="that study has measured nothing, it is estimated by predictor:study=taught"):
        search("digits_demo", trials=1, estimator="predictor:study=dreamt", study="deeper", ledger=ledger, **ASKED)
    again = search("digits_demo", trials=31, estimator=LEARNED, study="dreamt", ledger=ledger, seed=5, **ASKED)
    assert again.outcomes[:30] == made.outcomes


@pytest.mark.slow
def test_it_does_not_go_on_with_a_study_that_has_grown(tmp_path) -> None:
    ledger = str(tmp_path / "a.db")
    grown = {"strategy": "random", "epochs": 1, "study": "taught", "ledger": ledger, **ASKED}
    search("digits_demo", trials=10, **grown)
    asked = {"estimator": LEARNED, "study": "dreamt", "ledger": ledger, **ASKED}
    search("digits_demo", trials=2, **asked)
    search("digits_demo", trials=11, **grown)
    with pytest.raises(StudyError, match="was made with another file or study behind its estimator"):
        search("digits_demo", trials=3, **asked)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"space": "mbconv_cifar"}, StudyError, "that study is of another space than the search"),
        ({"max_images": 300}, StudyError, "that study is of another data than the search"),
        ({"objectives": ("accuracy", "latency_ms")}, StudyError, "leave the objective latency_ms out"),
        ({"estimator": "predictor:study=taut"}, NaslabError, "taught"),
        ({"estimator": "predictor:study=taught,known=50"}, StudyError, "predictor:known is for calibrations"),
        ({"estimator": "predictor"}, SpecError, "must name what a search's predictor learns from, as study=NAME"),
        ({"recipe": "full"}, StudyError, "that study is of another recipe than the search"),
        ({"inherit": True}, StudyError, "trains nothing: leave rungs, inherit, stop_early and baselines out"),
        ({"baselines": ["resnet20_cifar"]}, StudyError, "leave rungs, inherit, stop_early and baselines out"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_study_is_made(ledger, changes, error, message) -> None:
    asked = {"space": "digits_demo", "estimator": LEARNED, "study": "never", "ledger": ledger, **ASKED} | changes
    with pytest.raises(error, match=message):
        search(asked.pop("space"), trials=2, **asked)
    with pytest.raises(NaslabError):
        open_study("never", ledger)


def test_a_ledger_that_is_not_there_is_not_made(tmp_path) -> None:
    with pytest.raises(LedgerError):
        search("digits_demo", trials=2, estimator=LEARNED, ledger=str(tmp_path / "none.db"), **ASKED)
    assert list(tmp_path.iterdir()) == []


def test_a_calibration_teaches_it_known_results(tmp_path) -> None:
    with pytest.raises(SpecError, match="predictor:study: is for searches"):
        calibrate("digits_demo", LEARNED, reference="full", sample=10, ledger=tmp_path / "a.db", dataset="digits")


def test_proxies_are_scored_on_as_many_images_as_asked_for(study: StudyView, ledger: str) -> None:
    name = "predictor:study=taught,proxies=naswot,batch=16"
    predictor = find_search_estimator(name, study.problem, (), ledger, None, 0).estimator
    assert (predictor.proxies, predictor.probe.batch_size) == (("naswot",), 16)
