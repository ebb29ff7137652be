"""Metrics in targets: their names, what is refused before a search, and what a search makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import conv_net
from own_searches import own_folder, search

import naslab
from naslab.arch import MBConv, Stage, cost
from naslab.cli.main import run
from naslab.errors import NaslabError, SpecError
from naslab.estimators.estimator import Workbench
from naslab.estimators.limited import Limited
from naslab.estimators.short_training import ShortTraining
from naslab.execution.source import make_candidate
from naslab.latency_models.operator_table import operators
from naslab.metrics import declare_metric, find_metric, is_declared, is_described, measured_rows, metrics, score_rows
from naslab.metrics.metric import Metric
from naslab.space import load_space
from naslab.study.data_choice import DataChoice
from naslab.study.problem import Limit, Objective
from naslab.study.recipe import default_recipe
from naslab.targets import metrics as target_metrics
from naslab.targets.accuracy import accuracy_of_module, calibration_images
from naslab.targets.measuring import SpreadError
from naslab.targets.target import parse_target
from naslab.training.data import load_dataset

SPACE = """
input: [1, 8, 8]
num_classes: 10
activation: hardswish
stem: [{block: {type: conv, kernel: 3}, width: 8}]
stages:
  - block: {type: mbconv, kernel: {choice: [3, 5]}, expansion: {choice: [2, 3]}, se: null}
    width: {choice: [8, 12]}
head: {width: 16, hidden: [16]}
"""


def evaluate(network, trial: naslab.Trial) -> float:
    return trial.number / 100


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table of the networks of SPACE with kernels of 3: each operator takes as many ms as its key is long."""
    (tmp_path / "space.yaml").write_text(SPACE)
    space = load_space(tmp_path / "space.yaml")
    source = np.random.default_rng(0)
    archs = [space.decode(space.sample(source)) for _ in range(100)]
    keys = {each.key for arch in archs for each in operators(arch) if "kernel:5" not in each.key}
    (tmp_path / "t.csv").write_text("resolution,op_key,mean_ms\n" + "".join(f"8,{key},{len(key)}\n" for key in keys))
    return f"table:{tmp_path / 't.csv'}"


@pytest.mark.parametrize("target", ["onnxruntime-int8", "table:a b.csv", "command:bench.sh {onnx} --mode=a,b:c"])
def test_a_name_with_a_target_is_a_metric(target: str) -> None:
    rows = [find_metric(f"{name}@{target}") for name in ("latency_ms", "size_bytes", "accuracy")]
    assert [row.maximise for row in rows] == [False, False, True]
    assert [row.is_limitable for row in rows] == [True, True, False]
    assert rows[0].sentence(1.5).startswith("latency 1.5 ms in ")
    assert is_declared(rows[0].name)
    assert is_described(rows[0].name) == target.startswith("table:")
    assert Objective.named(rows[0].name) == Objective(rows[0].name, maximise=False)
    assert Limit.parse(f"{rows[1].name} <= 1M") == Limit(rows[1].name, most=1e6)
    assert str(Limit.parse(f"{rows[0].name}>=2")) == f"{rows[0].name}>=2"
    measured = {**rows[0].measured(1.5, 0.1), **rows[2].measured(90.0, 1.0), "f1": 0.5}
    assert {row.name for row in measured_rows(measured)} == {rows[0].name, rows[2].name}
    assert [row.name for row in score_rows(rows[2].measured(90.0, 1.0) | {"f1": 0.5})] == ["f1"]


@pytest.mark.parametrize("name", ["macs@onnxruntime", "latency_ms@", "@onnxruntime", "speed@onnxruntime"])
def test_other_names_are_none(name: str) -> None:
    assert not is_declared(name)
    with pytest.raises(NaslabError):
        Objective.named(name)
    with pytest.raises(SpecError, match="letters, digits and underscores"):
        declare_metric(Metric(name="f1@here", maximise=True))
    assert not any("@" in row.name for row in metrics())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--objectives", "accuracy,latency_ms@onnxruntim"], "did you mean 'onnxruntime'"),
        (["--objectives", "accuracy,latency_ms@table:none.csv"], "none.csv"),
        (["--objectives", "accuracy@table:none.csv"], "the target table does not tell accuracy"),
        (["--objectives", "accuracy,size_bytes@table:none.csv"], r"there is latency_ms@table:FILE"),
        (["--limit", "accuracy@onnxruntime>=90"], "is known after training"),
        (["--limit", "size_bytes@onnxruntim<=1M"], "did you mean 'onnxruntime'"),
        (["--estimator", "naswot", "--objectives", "naswot,accuracy@torch"], "leave the objective accuracy@torch out"),
        (["--estimator", "numbering:evaluate", "--objectives", "f1:max,accuracy@torch"], "not measured behind"),
    ],
)
def test_what_no_search_can_measure_is_one_line(options, message, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbering.py").write_text("def evaluate(network, trial):\n    return 0.5\n")
    monkeypatch.setattr("sys.argv", ["naslab", "search", "digits_demo", "--ledger", "s.db", *options])
    with pytest.raises(SystemExit, match="2"):
        run()
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert not (tmp_path / "s.db").exists()


def test_a_table_is_read_like_the_description(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"latency_ms@{table}"
    with own_folder(tmp_path, monkeypatch):
        space = load_space(tmp_path / "space.yaml")
        study = search(evaluate, space=space, trials=6, objectives=("f1:max", name), limits=())
        for outcome in study.outcomes:
            keys = [each.key for each in operators(outcome.candidate.arch)]
            failure = outcome.estimate.failure
            if any("kernel:5" in key for key in keys):
                assert failure is not None
                assert "lacks stages[0] of the network at 8: expanded_conv" in failure.message
            else:
                assert outcome.value(name) == sum(map(len, keys))
        within = search(
            evaluate, space=space, trials=6, objectives=("f1:max", "macs"), limits=(f"{name}<=1000",), study="w"
        )
        assert len(within.outcomes) == 4, "those with kernels of 3"
        assert all(each.is_complete for each in within.outcomes)
        Path(table.partition(":")[2]).unlink()
        assert naslab.pareto_front(study).front


def test_a_changed_table_is_another_study(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"latency_ms@{table}"
    with own_folder(tmp_path, monkeypatch):
        space = load_space(tmp_path / "space.yaml")
        search(evaluate, space=space, trials=6, objectives=("f1:max", name), limits=())
        path = Path(table.partition(":")[2])
        path.write_text(path.read_text() + "8,more,1\n")
        with pytest.raises(NaslabError, match=r"has changed: latency_ms@table"):
            search(evaluate, space=space, trials=7, objectives=("f1:max", name), limits=())


class Known:
    """An estimator that knows."""

    def prepare(self, bench): ...

    def estimate(self, candidate, bench):
        return naslab.study.outcome.Estimate(measured={"f1": 0.5})


def test_what_was_measured_before_stays_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    names = ("size_bytes@onnxruntime", "size_bytes@torch")
    limited = Limited(Known(), (Limit.parse(f"{names[0]}<=1M"),), names)
    bench = Workbench(device="cpu")
    found = limited.estimate(make_candidate(conv_net(), 0, 1, 0, "search"), bench)
    assert found.measured.keys() == {"f1", *names}
    assert 4 * cost(conv_net()).params < found.measured[names[0]] < 1e6
    small = Limited(Known(), (Limit.parse(f"{names[1]}<=1k"),)).estimate(
        make_candidate(conv_net(), 0, 1, 0, "search"), bench
    )
    assert small.failure is not None
    assert small.failure.reason == "infeasible"
    assert "bytes in torch, the limit is size_bytes@torch<=1000" in small.failure.message


def test_a_network_that_spreads_is_timed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def spreading(*args, **named):
        calls.append(args)
        raise SpreadError("too much")

    monkeypatch.setattr(target_metrics, "measure_deployed", spreading)
    with pytest.raises(NaslabError, match="too much"):
        target_metrics.measured_before(["latency_ms@torch"], conv_net())
    assert len(calls) == target_metrics.MOST_ATTEMPTS


@pytest.fixture(scope="module")
def trained():
    """A network trained on the digits, with its data and the estimate of its training."""
    arch = conv_net(stages=(Stage(block=MBConv(expansion=2), width=16, stride=2),))
    data = DataChoice(name="digits")
    how = ShortTraining(data=data, recipe=default_recipe("digits"), targets=("torch",))
    kept: list = []
    from naslab.estimators import training_run

    own = accuracy_of_module

    def keep(module, *rest):
        kept.append(module)
        return own(module, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "accuracy_of_module", keep)
        estimate = how.estimate(make_candidate(arch, 0, 2, 0, "search"), Workbench(device="cpu"))
    return arch, kept[0], load_dataset(data), estimate


def test_torch_has_the_accuracy_of_the_training(trained: tuple) -> None:
    _, _, split, estimate = trained
    assert estimate.failure is None
    assert estimate.measured["accuracy@torch"] == pytest.approx(
        estimate.measured["accuracy"], abs=100 / len(split.validation)
    )
    assert estimate.measured["accuracy_sem@torch"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnxruntime", "onnxruntime-int8", "openvino-int8"])
def test_a_runtime_has_nearly_the_accuracy_of_the_training(trained: tuple, target: str) -> None:
    for package in parse_target(target).row.packages:
        pytest.importorskip(package)
    arch, module, split, estimate = trained
    found = accuracy_of_module(module, arch, split, parse_target(target), num_calibration=64)
    assert found.accuracy == pytest.approx(estimate.measured["accuracy"], abs=6 if "int8" in target else 0.5)
    assert found.num_images == len(split.validation)
    assert found.num_calibration == (64 if "int8" in target else 0)


def test_calibration_takes_images_of_the_training(trained: tuple) -> None:
    _, _, split, _ = trained
    images = calibration_images(split.train, 100)
    assert images.shape == (100, 1, 8, 8)
    assert len(np.unique(images.reshape(100, -1), axis=0)) > 90
    assert images.max() > 1
    few = split.train.chosen(split.train.labels.new_tensor(range(31)))
    with pytest.raises(NaslabError, match="at least 32 training images, got 31"):
        calibration_images(few, 100)


def test_the_command_searches_by_them(monkeypatch: pytest.MonkeyPatch, capsys, table: str, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbering.py").write_text("def evaluate(network, trial):\n    return trial.number\n")
    said = ["search", "space.yaml", "--estimator", "numbering:evaluate", "--trials", "3", "--workers", "1", "--json"]
    limit = f"latency_ms@{table}<=100000"
    monkeypatch.setattr("sys.argv", ["naslab", *said, "--objectives", f"f1:max,latency_ms@{table}", "--limit", limit])
    with pytest.raises(SystemExit, match="0"):
        run()
    assert f"latency_ms@{table}" in capsys.readouterr().out
