"""The scaling commands as a user runs them: rescale, fit-scaling, scaling-law."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import warm_start
from in_process import workers_in_process
from processes import wait_until
from test_commands import Commands

from naslab.analysis import scaling_law
from naslab.arch import ArchSpec, cost, load_arch
from naslab.errors import LedgerError, UnknownNameError
from naslab.estimators import latency
from naslab.ledger import Ledger
from naslab.zoo import model

SMALL = """
input: [1, 8, 8]
num_classes: 10
stem: [{block: {type: conv, kernel: 3}, width: 12}]
stages:
- {block: {type: residual}, width: 12, repeats: 2}
- {block: {type: residual}, width: 20, repeats: 2, stride: 2}
"""
FIT = (
    *("fit-scaling", "small.yaml", "--dataset", "digits", "--epochs", "1", "--max-images", "100", "--seeds", "2"),
    *("--points", "5", "--workers", "2", "--out", "surface.html", "--save-to", "fitted.yaml", "--json"),
)
BY_GRID = ("fit-scaling", "small.yaml", "--dataset", "digits", "--grid")

HELD = """
import threading
from naslab.cli.main import run
from naslab.ledger import Ledger
from warm_start import workers_start_warm

workers_start_warm()
plain, written = Ledger.finish, []

def finish(*given):
    plain(*given)
    written.append(given)
    if len(written) == 2:
        threading.Event().wait()

Ledger.finish = finish
run()
"""
"""The command line, which stands still after the second outcome."""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """A folder with a small network and coefficients written by hand."""
    here = Commands(tmp_path_factory.mktemp("scaling"))
    (here.folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    (here.folder / "hand.yaml").write_text("{alpha: 1, beta: 1.4, gamma: 1}", encoding="utf-8")
    (here.folder / "wrong.yaml").write_text("{alpha: 1.5, beta: 1.5, gamma: 1}", encoding="utf-8")
    return here


def outcomes_of(folder: Path) -> dict[int, float]:
    """When each trial of the fit ended."""
    try:
        with Ledger.open(folder / "naslab.db", create=False) as ledger:
            return {each.candidate.trial: each.finished for each in ledger.outcomes("small-scaling")}
    except (LedgerError, UnknownNameError):  # the fit has not made it yet
        return {}


@pytest.mark.slow
def test_a_killed_fit_is_continued_and_its_results_are_used(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with two trainings done, the same command trains only the others; law and family follow."""
    folder = commands.folder
    environment = {key: value for key, value in os.environ.items() if key != "NASLAB_LEDGER"}
    process = warm_start.Popen(
        [sys.executable, "-c", HELD, *FIT],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment | {"PYTHONPATH": os.pathsep.join((str(Path(warm_start.__file__).parent), *sys.path))},
    )
    try:
        assert wait_until(lambda: len(outcomes_of(folder)) == 2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = outcomes_of(folder)
    assert len(before) == 2
    assert not (folder / "fitted.yaml").exists()

    with workers_in_process():
        shown = commands(*FIT)
    assert shown.code == 0, shown.err
    assert f"continuing: {len(before)} finished" in shown.err
    after = outcomes_of(folder)
    assert len(after) == 12
    assert {trial: after[trial] for trial in before} == before
    value = shown.value
    assert isinstance(value, dict)
    assert len(value["points"]) == 5
    assert value["product"] == pytest.approx(value["alpha"] * value["beta"] ** 2 * value["gamma"] ** 2)
    assert set(value["intervals"]) == {"alpha", "beta", "gamma"}
    assert (folder / "surface.html").stat().st_size > 1e6

    members = [
        commands("rescale", "small.yaml", "--coefficients", source, "--phi", "1", "--out", "out", "--json").value
        for source in ("fitted.yaml", "small-scaling")
    ]
    assert members[0] == members[1]
    assert members[0]["members"][0]["depth"] == value["alpha"]  # type: ignore[index, call-overload]

    monkeypatch.setattr(scaling_law, "scaling_laws", partial(scaling_law.scaling_laws, num_resamples=20))
    law = commands("scaling-law", "small-scaling", "--out", "law.html", "--json").value
    assert isinstance(law, dict)
    assert (law["of"], law["num_points"]) == ("family", 6)
    assert [each["metric"] for each in law["laws"]] == ["macs", "params", "activations"]
    assert (folder / "law.html").stat().st_size > 1e6
    assert "held-out" in commands("scaling-law", "small-scaling", "--metric", "macs").out


def test_a_rule_that_is_a_table(commands: Commands) -> None:
    shown = commands("rescale", "resnet_rs_50", "--rule", "resnet_rs", "--phi", "1", "--out", "table", "--json")
    (member,) = shown.value["members"]  # type: ignore[index, call-overload]
    assert member["params"] == cost(model("resnet_rs_101")).params


def test_a_capped_resolution_and_a_plot(commands: Commands) -> None:
    shown = commands(
        *("rescale", "efficientnet_b0", "--phi", "1", "4", "--max-resolution", "240"),
        *("--out", "capped", "--plot", "family.html", "--json"),
    )
    value = shown.value
    assert isinstance(value, dict)
    assert [member["input"] for member in value["members"]] == [[3, 240, 240]] * 2
    assert value["figure"] == "family.html"
    assert "x the baseline" in (commands.folder / "family.html").read_text(encoding="utf-8")


def test_coefficients_of_a_file_keep_their_rounding(commands: Commands) -> None:
    given = ("rescale", "small.yaml", "--coefficients", "hand.yaml", "--phi", "1", "--out", "hand", "--json")
    (member,) = commands(*given).value["members"]  # type: ignore[index, call-overload]
    arch = load_arch(commands.folder / member["file"])
    assert [stage.width for stage in arch.stages] == [17, 28]
    (member,) = commands(*given, "--rounding", "pycls").value["members"]  # type: ignore[index, call-overload]
    assert [stage.width for stage in load_arch(commands.folder / member["file"]).stages] == [16, 32]


def test_a_latency_is_measured_and_its_spread_told(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured in earnest; then told as of a device that takes its time for macs alone, however busy this one is."""

    def measured(arch: ArchSpec, device: str) -> latency.MeasuredLatency:
        asked.append(arch)
        return plain(arch, device)._replace(median_ms=1 + cost(arch).macs / 1e5)

    asked: list[ArchSpec] = []
    plain = latency.measure_arch
    monkeypatch.setattr(latency, "measure_arch", measured)
    shown = commands("rescale", "small.yaml", "--target-latency-ms", "4", "--rule", "width", "--out", "ms", "--json")
    assert shown.code == 0, shown.err
    (member,) = shown.value["members"]  # type: ignore[index, call-overload]
    assert member["target_metric"] == "latency_ms"
    assert len(asked) == len(member["measured"])
    assert member["latency_ms_iqr"] > 0
    nearest = min((each["latency_ms"] for each in member["measured"]), key=lambda ms: abs(ms - 4))
    assert member["achieved"] == nearest
    assert json.loads(shown.out)["figure"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rescale", "small.yaml", "--phi", "1", "--coefficients", "wrong.yaml"), "gamma^2 is 3.375, must be within"),
        (("rescale", "small.yaml", "--phi", "1", "--coefficients", "none.yaml"), "cannot read none.yaml"),
        (("rescale", "small.yaml", "--phi", "1", "--coefficients", "hand.yaml", "--rule", "fast"), "leave --rule out"),
        (("rescale", "small.yaml", "--phi", "1", "--rule", "resnet-rs"), "did you mean 'resnet_rs'"),
        (("rescale", "small.yaml", "--phi", "1", "--rounding", "plane"), "did you mean 'plain'"),
        (("rescale", "small.yaml", "--phi", "1.5", "--rule", "resnet_rs"), "a whole number from 0 to 10, got 1.5"),
        (("rescale", "small.yaml", "--target-macs", "1e6", "--rule", "resnet_rs"), "is a table and meets no budget"),
        (("rescale", "small.yaml", "--phi", "1", "--max-resolution", "4"), "must be at least the model's own 8, got 4"),
        (("rescale", "small.yaml", "--phi", "-40"), "leave none"),
        (("rescale", "small.yaml", "--phi", "1", "--plot", "family.png"), "give a file that ends in .html"),
        (("rescale", "small.yaml", "--target-latency-ms", "0"), "latency_ms: must be above 0"),
        (("rescale", "small.yaml", "--target-latency-ms", "1", "--device", "gpu"), "unknown device 'gpu'"),
        ((*FIT, "--budget-ratio", "1"), "budget_ratio: must be above 1"),
        ((*BY_GRID, "1.2,1.2,1.2"), "coefficients 1.2, 1.2, 1.2: alpha * beta^2 * gamma^2 is 2.488"),
        ((*BY_GRID, "1.2,1.2"), "must be alpha,beta,gamma like 1.2,1.1,1.15, got '1.2,1.2'"),
        ((*FIT, "--out", "surface.png"), "give a file that ends in .html"),
        ((*FIT, "--step", "0.5"), "a fit needs 3: widen the tolerance"),
        (("fit-scaling", "small.yaml"), "say what to train small.yaml on"),
        (("scaling-law", "none", "--ledger", "none.db"), "there is no ledger at none.db"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_clear_message(commands: Commands, arguments: tuple[str, ...], message: str) -> None:
    shown = commands(*arguments)
    assert shown.code == 2
    assert message in " ".join(shown.err.replace("│", " ").split())
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_nothing_half_written(commands: Commands) -> None:
    """A refused family leaves no folder, a refused fit no file."""
    commands("rescale", "small.yaml", "--phi", "1", "-40", "--out", "half")
    commands(*FIT, "--budget-ratio", "1", "--save-to", "half.yaml")
    assert not (commands.folder / "half").exists()
    assert not (commands.folder / "half.yaml").exists()


@pytest.mark.parametrize("command", ["fit-scaling", "scaling-law"])
def test_help_has_an_example(commands: Commands, command: str) -> None:
    assert f"Example: naslab {command}" in " ".join(commands(command, "--help").out.split())
