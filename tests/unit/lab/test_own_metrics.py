"""Metrics of users' own by name and by entry point: measured before training, as objectives and as limits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from own_searches import own_folder, search

import naslab
from naslab.cli.main import run
from naslab.errors import NaslabError, SpecError, StudyError
from naslab.metrics import declare_metric, find_metric, is_described, shown_as, withdraw_metric
from naslab.metrics.metric import Metric
from naslab.outside import OutsideError
from naslab.study.problem import Limit, Objective

CODE = """
from naslab.metrics import Metric


def energy_of(network, arch, device):
    return sum(each.numel() for each in network.parameters()) / 1000


def longest(arch, cost):
    return len(arch.stages) + cost.params / 1e6


ENERGY = Metric(name="energy_mj", maximise=False, stage="before training", measure=energy_of, unit="mJ", digits=".1f")
LONGEST = Metric(name="longest", maximise=False, stage="description", read=longest)
TAKEN = Metric(name="macs", maximise=True)
NUMBER = 3


def evaluate(network, trial):
    return {"f1": trial.number / 100}
"""
ROWS = ("energy_mj", "longest")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a module of the user's; its metrics are taken back afterwards."""
    (tmp_path / "own_rows.py").write_text(CODE, encoding="utf-8")
    with own_folder(tmp_path, monkeypatch) as made:
        yield made
    for name in ROWS:
        with suppress(NaslabError):
            withdraw_metric(name)


def installed(folder: Path, entries: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build and install a distribution that publishes `entries` into a folder of Python's path, as pip does."""
    source, place = folder / "source", folder / "site"
    source.mkdir()
    (source / "their_rows.py").write_text(CODE, encoding="utf-8")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "their-rows"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["their_rows"]\n'
        f'[project.entry-points."naslab.metrics"]\n{entries}\n',
        encoding="utf-8",
    )
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(place), str(source)], check=True, capture_output=True)
    monkeypatch.syspath_prepend(str(place))


def test_a_row_by_name_is_an_objective_and_a_limit_measured_before_training(folder: Path) -> None:
    study = search(
        "own_rows:evaluate", trials=5, objectives=("f1:max", "own_rows:ENERGY"), limits=("own_rows:ENERGY<=1.5",)
    )
    broken = [each for each in study.outcomes if each.is_infeasible]
    kept = [each for each in study.outcomes if not each.is_infeasible]
    assert len(kept) == 5
    assert broken
    assert all(each.value("energy_mj") == each.value("params") / 1000 for each in study.outcomes)
    assert all((each.value("energy_mj") > 1.5) == each.is_infeasible for each in study.outcomes)
    assert "mJ, the limit is energy_mj<=1.5" in broken[0].estimate.failure.message
    assert [goal.metric for goal in naslab.pareto_front(study).objectives] == ["f1", "energy_mj"]
    assert "own_rows.energy_of" in study.record.made_with
    assert naslab.front_figure(study).layout.xaxis.title.text == "energy_mj (mJ)"


def test_a_study_goes_on_by_the_same_names_and_refuses_changed_code(folder: Path) -> None:
    asked: dict[str, Any] = {"objectives": ("f1:max", "own_rows:ENERGY")}
    search("own_rows:evaluate", trials=2, **asked)
    assert len(search("own_rows:evaluate", trials=4, **asked).outcomes) == 4
    (folder / "own_rows.py").write_text(CODE.replace("/ 1000", "/ 2000"), encoding="utf-8")
    del sys.modules["own_rows"]
    with pytest.raises(StudyError, match=r"own_rows\.energy_of changed"):
        search("own_rows:evaluate", trials=5, **asked)


def test_on_higher_rungs_objectives_are_measured_too(folder: Path) -> None:
    study = search("own_rows:evaluate", trials=4, rungs=(1, 2), objectives=("f1:max", "own_rows:ENERGY"))
    promoted = [each for each in study.outcomes if each.candidate.fidelity.epochs == 2]
    assert promoted
    assert all(each.value("energy_mj") == each.value("params") / 1000 for each in promoted)


def test_a_row_is_measured_of_the_networks_of_a_finished_study(folder: Path) -> None:
    study = search("own_rows:evaluate", trials=3)
    found = naslab.measure_study("own", "own_rows:ENERGY", "own.db", device="cpu")
    assert (found.metric, found.num_measured) == ("energy_mj", 3)
    study = naslab.open_study("own", "own.db")
    assert all(each.value("energy_mj") == each.value("params") / 1000 for each in study.outcomes)
    with pytest.raises(StudyError, match="is known from the description of every network"):
        naslab.measure_study("own", "own_rows:LONGEST", "own.db", device="cpu")


def test_a_row_of_the_description_is_named_so_too(folder: Path) -> None:
    study = search("own_rows:evaluate", trials=3, objectives=("f1:max", "own_rows:LONGEST"))
    assert all(each.value("longest") > 2 for each in study.outcomes)
    assert not study.problem.measured_limits
    assert Limit.parse("own_rows:LONGEST<=2.5").is_described


def test_what_gives_no_number_fails_that_trial_with_its_reason(folder: Path) -> None:
    code = CODE.replace("return sum(each.numel() for each in network.parameters()) / 1000", "return float('nan')")
    (folder / "own_rows.py").write_text(code, encoding="utf-8")
    with pytest.raises(StudyError, match="the first 3 trials failed alike: energy_mj is nan"):
        search("own_rows:evaluate", trials=5, objectives=("f1:max", "own_rows:ENERGY"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("own_rows:ENERGI", "which is no metric of yours either: .* has no 'ENERGI'"),
        ("own_rows:NUMBER", "must be a row, as Metric"),
        ("no_rows:ENERGY", "there is no module 'no_rows'"),
        ("own_rows:TAKEN", "'macs' is taken by the metric macs"),
    ],
)
def test_names_that_lead_to_no_row_are_refused_before_the_first_trial(folder: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        search("own_rows:evaluate", objectives=("f1:max", text))
    with pytest.raises(NaslabError):
        Limit.parse(f"{text}<=3")
    assert not (folder / "own.db").exists()


def test_a_measure_is_for_the_stage_before_training_alone() -> None:
    with pytest.raises(SpecError, match=r"metric of the stage 'before training', and f1 has .* 'after training'"):
        Metric(name="f1", maximise=True, measure=lambda network, arch, device: 1.0)


@pytest.mark.slow
def test_an_installed_distribution_publishes_metrics_by_entry_points(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not shown_as("energy_mj").unit
    installed(folder, 'energy_mj = "their_rows:ENERGY"\nlongest = "their_rows:LONGEST"', monkeypatch)
    assert shown_as("energy_mj").unit == "mJ"
    assert is_described("longest")
    assert Objective.named("longest") == Objective(metric="longest", maximise=False)
    with pytest.raises(SpecError, match="energy_mj is made small"):
        Objective.named("energy_mj:max")
    asked = ("--estimator", "own_rows:evaluate", "--objectives", "f1:max,energy_mj", "--limit", "energy_mj<=3")
    monkeypatch.setattr(
        sys, "argv", ["naslab", "search", "digits_demo", *asked, "--trials", "2", "--ledger", "l.db", "--json"]
    )
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code in (0, None)
    found = json.loads(capsys.readouterr().out)
    assert [goal["metric"] for goal in found["objectives"]] == ["f1", "energy_mj"]
    assert all(each["energy_mj"] <= 3 for each in found["front"])


def published(folder: Path, entries: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as far as entry points go, which takes no time to build."""
    (folder / "their_rows.py").write_text(CODE, encoding="utf-8")
    (folder / "theirs-1.0.dist-info").mkdir()
    (folder / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (folder / "theirs-1.0.dist-info" / "entry_points.txt").write_text(f"[naslab.metrics]\n{entries}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_what_is_published_under_a_name_that_is_not_the_rows_own_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(folder, "watts = their_rows:ENERGY\nnumber = their_rows:NUMBER", monkeypatch)
    with pytest.raises(OutsideError, match="published as 'watts', but its row has the name 'energy_mj'"):
        find_metric("watts")
    with pytest.raises(OutsideError, match="must be a row"):
        find_metric("number")
    assert shown_as("watts").name == "watts"  # results are read all the same


def test_a_declared_row_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = declare_metric(Metric(name="energy_mj", maximise=True))
    published(folder, "energy_mj = their_rows:ENERGY", monkeypatch)
    assert find_metric("energy_mj") == row
