"""Training a supernet: resumed it ends the same; what its estimates are good for."""

from __future__ import annotations

import msgspec
import pytest
import torch
from in_process import workers_in_process

from naslab.arch import ArchSpec, InvertedBottleneck, ResidualBlock, arch_id, cost
from naslab.arch.build import build
from naslab.errors import DataError, SpecError, StudyError
from naslab.estimators.estimator import Workbench
from naslab.estimators.named import Setting, read_name
from naslab.estimators.supernet import SupernetEstimator
from naslab.execution.source import make_candidate
from naslab.lab.problems import make_problem
from naslab.lab.search import search
from naslab.lab.supernet import export_shared_weights, train_supernet
from naslab.space import SearchSpace, choice
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import default_recipe
from naslab.training.data import load_dataset
from naslab.training.supernet.files import load_supernet
from naslab.training.supernet.settings import SupernetSettings
from naslab.training.supernet.training import SupernetTraining
from naslab.training.supernet.training import train_supernet as train
from naslab.training.weights import load_weights


def small_space() -> SearchSpace:
    block = choice(InvertedBottleneck(expansion=2), ResidualBlock())
    stage = {"block": block, "width": choice(8, 12), "stride": 2}
    stem = [{"block": {"type": "conv"}, "width": 8}]
    return SearchSpace({"input": [1, 8, 8], "stem": stem, "stages": [stage], "num_classes": 10}, "small")


def settings_of(epochs: int, **fields: object) -> SupernetSettings:
    recipe = msgspec.structs.replace(default_recipe("digits"), learning_rate=0.1)
    data = DataChoice(name="digits", max_images=400)
    settings = SupernetSettings(space=small_space(), data=data, recipe=recipe, epochs=epochs, num_paths=1)
    return msgspec.structs.replace(settings, **fields)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("supernet") / "small.safetensors"
    train(settings_of(6), path)
    return path


def archs() -> list[ArchSpec]:
    return [small_space().decode(genome) for genome in small_space().enumerate()]


class StopError(Exception):
    pass


def test_a_training_killed_between_epochs_ends_as_one_that_was_not(tmp_path) -> None:
    settings = settings_of(3, distill=True, data=DataChoice(name="digits", max_images=120))
    whole = train(settings, tmp_path / "whole")

    def stop(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise StopError

    with pytest.raises(StopError):
        train(settings, tmp_path / "cut", report=stop)
    half = load_supernet(tmp_path / "cut")
    assert (half.epochs_done, half.is_finished) == (1, False)
    assert half.state
    again = train(settings, tmp_path / "cut")
    assert again.losses == whole.losses
    assert again.state == {}
    for key, value in whole.tensors.items():
        assert torch.equal(value, again.tensors[key]), key
    assert train(settings, tmp_path / "cut").losses == whole.losses


@pytest.mark.parametrize("sandwich", [True, False])
def test_a_batch_trains_random_paths_and_under_the_sandwich_rule_the_ends_of_the_space(monkeypatch, sandwich) -> None:
    settings = settings_of(1, sandwich=sandwich, num_paths=3, data=DataChoice(name="digits", max_images=120))
    training = SupernetTraining(settings, load_dataset(settings.data, None, "cpu"))
    run, seen = training.bank.run, list[ArchSpec]()

    def watched(arch: ArchSpec, images: torch.Tensor) -> torch.Tensor:
        seen.append(arch)
        return run(arch, images)

    monkeypatch.setattr(training.bank, "run", watched)
    training.epoch(0)
    count = 5 if sandwich else 3
    batches = [seen[place : place + count] for place in range(0, len(seen), count)]
    assert len(batches) == 3  # 96 training images, 32 at once
    sizes = [cost(arch).macs for arch in archs()]
    for paths in batches:
        assert set(map(arch_id, paths)) <= set(map(arch_id, archs()))
        if sandwich:
            assert [cost(paths[0]).macs, cost(paths[-1]).macs] == [max(sizes), min(sizes)]
    drawn = [arch for paths in batches for arch in (paths[1:-1] if sandwich else paths)]
    assert len(drawn) == 9
    assert len(set(drawn)) > 1


def test_another_training_does_not_take_up_the_file(trained) -> None:
    with pytest.raises(DataError, match="another space, data or recipe"):
        train(settings_of(6, seed=1), trained)


def test_every_network_of_the_space_has_learned(trained) -> None:
    """Chance is 10 %; six epochs of 10 steps reach 60 % and more in every one of the four networks."""
    bench = Workbench(device="cpu")
    estimator = SupernetEstimator(path=str(trained), calibration_images=200)
    estimator.prepare(bench)
    for arch in archs():
        estimate = estimator.estimate(make_candidate(arch, 0, 1, 0, "search"), bench)
        assert estimate.failure is None
        assert "unshared" not in estimate.notes
        assert estimate.measured["accuracy"] > 30
        again = estimator.estimate(make_candidate(arch, 7, 4, 0, "search"), bench)
        assert again.measured == estimate.measured


def test_a_network_of_another_space_is_a_failure(trained) -> None:
    bench = Workbench(device="cpu")
    other = msgspec.structs.replace(archs()[0], stages=(msgspec.structs.replace(archs()[0].stages[0], width=99),))
    estimate = SupernetEstimator(path=str(trained)).estimate(make_candidate(other, 0, 1, 0, "search"), bench)
    assert estimate.failure is not None
    assert estimate.failure.reason == "invalid"
    assert "another space" in estimate.failure.message


def test_a_slice_is_a_start_for_training(trained, tmp_path) -> None:
    out = tmp_path / "weights.safetensors"
    arch = archs()[-1]
    assert len(export_shared_weights(trained, arch, out, calibration_images=100)) == 64
    module = build(arch, 3)
    load_weights(module, out)
    wide = msgspec.structs.replace(arch, stages=(msgspec.structs.replace(arch.stages[0], width=99),))
    with pytest.raises(DataError, match="is not in the space"):
        export_shared_weights(trained, wide, out)


def test_a_search_by_a_supernet(trained, tmp_path) -> None:
    name = f"supernet:path={trained}"
    setting = {"dataset": "digits", "max_images": 400, "strategy": "random", "ledger": tmp_path / "a.db", "workers": 1}
    with workers_in_process():
        view = search(small_space(), estimator=name, trials=3, **setting)
    assert len(view.outcomes) == 3
    assert all(outcome.is_complete and not outcome.estimate.curve for outcome in view.outcomes)
    with pytest.raises(StudyError, match="another estimator"):
        search(small_space(), trials=3, **setting)
    with pytest.raises(StudyError, match="trains nothing"):
        search(small_space(), estimator=name, inherit=True, **setting)
    with pytest.raises(StudyError, match="made with another objectives"):
        search(small_space(), estimator="naswot", **setting)


def test_names_settings_and_files_that_do_not_fit(tmp_path) -> None:
    problem = make_problem(small_space(), "digits", ["accuracy"], (), None)
    with pytest.raises(SpecError, match="must name a file of"):
        read_name("supernet").make(Setting(problem))
    with pytest.raises(SpecError, match="needs the largest network"):
        settings_of(1, sandwich=False, distill=True)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="cannot be read as a supernet"):
        load_supernet(broken)
    with pytest.raises(DataError, match="cannot be read"):
        load_supernet(tmp_path / "missing.safetensors")


def test_from_names_alone(tmp_path) -> None:
    made = train_supernet(
        small_space(), tmp_path / "s", dataset="digits", max_images=100, epochs=1, resolution=(6, 6), sandwich=False
    )
    assert made.settings.size == (6, 6)
    assert made.is_finished
