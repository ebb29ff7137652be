"""What every estimator promises, whichever way it comes to its figure."""

from __future__ import annotations

import copy
import csv
import pickle
import sys

import msgspec
import pytest
import torch

from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost
from naslab.estimators.estimator import Estimator, Workbench
from naslab.estimators.known_table import KnownTable
from naslab.estimators.short_training import ShortTraining
from naslab.space.genome import Gene, Genome
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate, Fidelity
from naslab.study.recipe import default_recipe
from naslab.training import storage
from naslab.training.datasets import read_images


def candidate_of(width: int = 8, seed: int = 0, epochs: int = 2, channels: int = 1) -> Candidate:
    stages = (Stage(block=ConvBlock(), width=width), Stage(block=ConvBlock(), width=2 * width, stride=2))
    arch = ArchSpec(input=(channels, 8, 8), stages=stages, num_classes=10)
    return Candidate(
        trial=0,
        arch=arch,
        arch_id=arch_id(arch),
        cost=cost(arch),
        fidelity=Fidelity(epochs=epochs),
        seed=seed,
        genome=Genome((Gene("stages[0].width", width % 10),)),
    )


BAD = candidate_of(width=9, channels=3)
"""A candidate that no estimator here has a figure for."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["short_training", "known_table"])
def estimator(request, tmp_path) -> Estimator:
    if request.param == "short_training":
        data = DataChoice(name="digits", max_images=300)
        return ShortTraining(data=data, recipe=default_recipe("digits"))
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("arch", "mean_acc"), ("8", 91.5), ("4", 80.25)])
    return KnownTable(path=str(tmp_path / "table.csv"))


@pytest.fixture
def bench(estimator) -> Workbench:
    bench = Workbench(device="cpu")
    estimator.prepare(bench)
    return bench


def timeless(estimate: Estimate) -> Estimate:
    curve = tuple(msgspec.structs.replace(epoch, wall_seconds=0.0) for epoch in estimate.curve)
    return msgspec.structs.replace(estimate, wall_seconds=0.0, curve=curve)


def test_it_is_a_value(estimator):
    assert pickle.loads(pickle.dumps(estimator)) == estimator  # noqa: S301  (its own)
    assert hash(estimator) == hash(copy.copy(estimator))
    with pytest.raises(AttributeError):
        setattr(estimator, type(estimator).__struct_fields__[0], None)


def test_an_estimate_has_an_accuracy_in_per_cent_and_its_error(estimator, bench):
    estimate = estimator.estimate(candidate_of(), bench)
    assert estimate.failure is None
    assert 10 < estimate.measured["accuracy"] <= 100
    assert 0 <= estimate.measured["accuracy_sem"] < 10
    assert estimate.wall_seconds > 0
    assert estimate.worker == bench.worker
    assert estimate.device


def test_the_same_candidate_has_the_same_estimate_whatever_came_between(estimator, bench):
    first = estimator.estimate(candidate_of(), bench)
    estimator.estimate(candidate_of(width=4, seed=5), bench)
    torch.manual_seed(123)
    assert timeless(estimator.estimate(candidate_of(), bench)) == timeless(first)
    another = Workbench(device="cpu")
    estimator.prepare(another)
    assert timeless(estimator.estimate(candidate_of(), another)) == timeless(first)


def test_epochs_are_reported_as_they_are_in_the_curve(estimator, bench):
    seen = []
    bench.report = seen.append
    estimate = estimator.estimate(candidate_of(epochs=3), bench)
    assert tuple(seen) == estimate.curve
    assert [epoch.epoch for epoch in seen] in ([], [1, 2, 3])


def test_a_failure_is_a_value_and_the_next_candidate_is_estimated(estimator, bench):
    failed = estimator.estimate(BAD, bench)
    assert failed.failure is not None
    assert failed.failure.reason == "invalid"
    assert failed.failure.message
    assert failed.measured == {}
    assert estimator.estimate(candidate_of(), bench).failure is None


def test_an_estimate_can_be_stored(estimator, bench):
    for candidate in (candidate_of(), BAD):
        estimate = estimator.estimate(candidate, bench)
        assert msgspec.json.decode(msgspec.json.encode(estimate), type=Estimate) == estimate


def test_the_data_are_loaded_once(estimator, bench, monkeypatch):
    monkeypatch.setattr(storage, "read_images", None)
    monkeypatch.setattr("pathlib.Path.open", None)
    estimator.prepare(bench)
    assert estimator.estimate(candidate_of(), bench).failure is None


def test_the_test_set_is_never_read(estimator, monkeypatch):
    def read(name, part, data_dir=None):
        assert part == "train", "an estimator read the test set"
        return read_images(name, part, data_dir)

    def poisoned(*_: object) -> None:
        raise AssertionError("an estimator read the test set")

    monkeypatch.setattr(storage, "read_images", read)
    for module in [module for name, module in sys.modules.items() if name.startswith("naslab")]:
        if "load_test_set" in vars(module):
            monkeypatch.setattr(module, "load_test_set", poisoned)
    bench = Workbench(device="cpu")
    estimator.prepare(bench)
    assert estimator.estimate(candidate_of(), bench).failure is None
