"""Any object with `ask` and `tell` is a strategy, held to limits and to new networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import RandomSampler
from own_searches import SPACE, own_folder, search

import naslab
from naslab.errors import LimitError, StudyError
from naslab.outside import OutsideError

CODE = """
import numpy as np


class Twice:
    def __init__(self, problem, seed):
        self.space, self.rng, self.told = problem.space, np.random.default_rng(seed), []

    def ask(self, count):
        genome = self.space.sample(self.rng)
        return [genome, genome][:count]

    def tell(self, outcomes):
        self.told += outcomes


def raises(problem, seed):
    made = Twice(problem, seed)
    made.ask = lambda count: [][1]
    return made


def wrong(problem, seed):
    made = Twice(problem, seed)
    made.ask = lambda count: [3]
    return made
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with own_folder(tmp_path, monkeypatch) as made:
        (made / "own_code.py").write_text(CODE, encoding="utf-8")
        yield made


def evaluate(network: Any, trial: naslab.Trial) -> float:
    return trial.number / 10


def test_a_strategy_by_name_proposes_each_network_once_and_goes_on(folder: Path) -> None:
    study = search(evaluate, trials=6, strategy="own_code:Twice")
    assert len({each.candidate.arch_id for each in study.outcomes}) == 6
    assert study.record.strategy == "own_code:Twice"
    assert "own_code.Twice" in study.record.made_with
    more = search(evaluate, trials=8, strategy="own_code:Twice")
    assert len({each.candidate.arch_id for each in more.outcomes}) == 8


@pytest.mark.parametrize("name", ["own_code:Twice", "twice"])
def test_a_study_of_one_that_is_not_named_again_says_its_name(folder: Path, name: str) -> None:
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[naslab.strategies]\ntwice = own_code:Twice\n", encoding="utf-8")
    sys.path.append(str(folder))
    search(evaluate, trials=2, strategy=name)
    with pytest.raises(StudyError) as told:
        search(evaluate, trials=4, strategy="auto")
    assert str(told.value) == f"study 'own' has a strategy of your own: name it again (--strategy {name})"
    assert len(search(evaluate, trials=4, strategy=name).outcomes) == 4


def test_a_study_of_a_sampler_that_is_not_given_again_says_so(folder: Path) -> None:
    search(evaluate, trials=2, strategy=RandomSampler(seed=0))
    with pytest.raises(StudyError, match=r"the strategy optuna\.RandomSampler: give that sampler again, as strategy="):
        search(evaluate, trials=4, strategy="auto")


def test_limits_hold_for_it(folder: Path) -> None:
    study = search(evaluate, trials=4, strategy="own_code:Twice", limits=("macs<=20k",))
    assert max(each.value("macs") for each in study.outcomes) <= 20_000


def test_an_object_is_told_every_outcome(folder: Path) -> None:
    class Listed:
        def __init__(self) -> None:
            self.left, self.told = list(SPACE.enumerate())[:4], []

        def ask(self, count: int) -> list[Any]:
            taken, self.left = self.left[:count], self.left[count:]
            return taken

        def tell(self, outcomes: Any) -> None:
            self.told += [each.candidate.trial for each in outcomes]

    given = Listed()
    study = search(evaluate, trials=9, strategy=given)
    assert len(study.outcomes) == 4
    assert given.told == [0, 1, 2, 3]
    assert study.record.strategy.endswith("Listed")


@pytest.mark.parametrize(
    ("strategy", "error", "told"),
    [
        ("own_code:Thrice", OutsideError, "did you mean 'Twice'"),
        ("own_code:np.pi", OutsideError, "must be a function of"),
        ("own_code:np.hypot", OutsideError, "making it fails: AttributeError"),
        ("own_code:raises", StudyError, r"strategy own_code:raises: ask raised IndexError: .*own_code.py, line 19"),
        ("own_code:wrong", StudyError, "ask must return genomes or proposals, got int 3"),
    ],
)
def test_what_is_no_strategy_is_said(folder: Path, strategy: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        search(evaluate, strategy=strategy)


def test_limits_that_it_never_meets_are_said(folder: Path) -> None:
    class Largest:
        def ask(self, count: int) -> list[Any]:
            return [max(SPACE.enumerate(), key=lambda each: naslab.cost(SPACE.decode(each)).macs)]

        def tell(self, outcomes: Any) -> None: ...

    with pytest.raises(LimitError, match="and none meets the limits"):
        search(evaluate, strategy=Largest(), limits=("macs<=20k",))
