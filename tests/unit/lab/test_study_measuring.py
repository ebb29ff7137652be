"""A metric added to the networks of a study: each measured once, kept with its outcomes, shown wherever trials are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_studies import made_study, naslab

import naslab as lab
from naslab.arch import cost
from naslab.errors import StudyError
from naslab.estimators import limited
from naslab.estimators.estimator import Workbench
from naslab.ledger import Ledger
from naslab.study.outcome import Candidate, Fidelity

MEASURED: list[int] = []
CODE = """
def size(network):
    return sum(each.numel() for each in network.parameters())

def params(network):
    return 1

def wide(network, arch):
    if arch.stages[0].width > 8:
        raise RuntimeError('too wide')
    return arch.stages[0].width

def none(network):
    return None

def two(network, arch, more):
    return 1
"""


def timed(names: tuple[str, ...], candidate: Candidate, bench: Workbench) -> dict[str, float]:
    """A latency that follows from the description: 1 ms for 10,000 macs."""
    MEASURED.append(candidate.trial)
    return {name: cost(candidate.arch).macs / 1e4 for name in names}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(limited, "measured_before_training", timed)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    MEASURED.clear()
    (tmp_path / "own_metrics.py").write_text(CODE, encoding="utf-8")
    with Ledger.open(tmp_path / "l.db") as ledger:
        made_study(ledger, "own", trials=6, failing=(2,))
        first = ledger.outcomes("own")[1]
        again = msgspec.structs.replace(first.candidate, trial=6, fidelity=Fidelity(epochs=3))
        ledger.start("own", [again])
        ledger.finish("own", msgspec.structs.replace(first, candidate=again))
    yield tmp_path
    sys.modules.pop("own_metrics", None)


def test_each_network_is_measured_once_and_every_reader_has_it(folder: Path) -> None:
    value = naslab(folder, "measure", "own", "--metric", "latency_ms", "--json").value
    assert (value["measured"], value["already"], value["failed"]) == (5, 0, 0)
    assert MEASURED == [0, 1, 3, 4, 5]
    assert [each["trials"] for each in value["networks"]] == [[0], [1, 6], [3], [4], [5]]
    again = naslab(folder, "measure", "own", "--metric", "latency_ms", "--json").value
    assert (again["measured"], again["already"]) == (0, 5)
    assert again["networks"] == value["networks"]
    assert len(MEASURED) == 5
    rows = naslab(folder, "table", "own", "--json").value
    assert [row["latency_ms"] for row in rows] == [
        None if row["state"] != "complete" else row["macs"] / 1e4 for row in rows
    ]
    assert "latency_ms" in naslab(folder, "table", "own").out
    assert "latency_ms" in naslab(folder, "pareto", "own").out
    front = naslab(folder, "pareto", "own", "--x", "latency_ms", "--json").value
    assert {each["metric"] for each in front["objectives"]} == {"accuracy", "latency_ms"}
    assert lab.find_model("own:best@latency_ms<=1k", "l.db").study == "own"


@pytest.mark.parametrize("target", ["nonsense", "table:missing.csv", "command:no_such_program {onnx}"])
def test_a_target_that_is_not_there_is_one_line_before_any_network(folder: Path, target: str) -> None:
    told = naslab(folder, "measure", "own", "--metric", f"latency_ms@{target}")
    assert (told.code, len(told.err.splitlines()), MEASURED) == (2, 1, [])


def test_what_was_interrupted_goes_on(folder: Path) -> None:
    def stop(done: Any, number: int, count: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.measure_study("own", "latency_ms", "l.db", report=stop)
    assert MEASURED == [0, 1]
    found = lab.measure_study("own", "latency_ms", "l.db")
    assert MEASURED == [0, 1, 3, 4, 5]
    assert found.num_measured == 3
    lab.measure_study("own:1", "latency_ms", "l.db", again=True)
    assert MEASURED[-1] == 1
    assert len(MEASURED) == 6


def test_the_front_alone(folder: Path) -> None:
    front = naslab(folder, "pareto", "own", "--json").value["front"]
    value = naslab(folder, "measure", "own:front", "--metric", "latency_ms", "--json").value
    assert {each["arch_id"] for each in value["networks"]} == {each["arch_id"] for each in front}
    bound = naslab(folder, "measure", "own:front@macs<=1.9M", "--metric", "latency_ms", "--json").value
    assert bound["measured"] <= len(bound["networks"])


def test_a_metric_of_ones_own_is_kept_under_its_name_and_shown(folder: Path) -> None:
    value = naslab(folder, "measure", "own", "--metric", "own_metrics:size", "--json").value
    rows = naslab(folder, "table", "own", "--json").value
    assert value["measured"] == 5
    assert [row["size"] for row in rows if row["state"] == "complete"] == [
        row["params"] for row in rows if row["state"] == "complete"
    ]
    assert "size" in naslab(folder, "table", "own").out
    assert "size" in naslab(folder, "pareto", "own").out
    assert "size" in naslab(folder, "pareto", "own", "--y", "accuracy", "--x", "size:min").out
    assert naslab(folder, "report", "own", "--out", "report.html").code == 0
    assert ">size</th>" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_network_that_fails_is_told_and_the_others_go_on(folder: Path) -> None:
    shown = naslab(folder, "measure", "own", "--metric", "own_metrics:wide", "--json")
    rows = naslab(folder, "table", "own", "--json").value
    value = shown.value
    assert value["failed"] == sum("failure" in each for each in value["networks"]) > 0
    assert value["measured"] == 5 - value["failed"] > 0
    assert shown.err.count("Traceback") == 1
    assert "naslab/" not in shown.err
    assert all(row["wide"] is None or row["wide"] <= 8 for row in rows)
    told = naslab(folder, "measure", "own", "--metric", "own_metrics:none")
    assert told.code == 2
    assert told.err.splitlines()[-1].startswith("naslab: the first 3 networks fail alike: none must be a number")


def test_changed_code_and_another_way_are_refused_unless_all_is_measured_anew(folder: Path) -> None:
    lab.measure_study("own:0", "own_metrics:size", "l.db")
    sys.modules.pop("own_metrics")
    (folder / "own_metrics.py").write_text(CODE.replace("sum(", "2 * sum("), encoding="utf-8")
    told = naslab(folder, "measure", "own", "--metric", "own_metrics:size").refusal()
    assert "was measured in another way (own_metrics.size changed): undo that, or measure all anew (--again)" in told
    assert naslab(folder, "measure", "own", "--metric", "own_metrics:size", "--again", "--json").value["measured"] == 5
    lab.measure_study("own:0", "latency_ms", "l.db")
    with pytest.raises(StudyError, match="threads was 1, now 2"):
        lab.measure_study("own", "latency_ms", "l.db", threads=2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("own", "macs"), "macs is known from the description of every network"),
        (("own", "accuracy"), "accuracy is known after training alone"),
        (("own", "latency"), "unknown metric 'latency' (did you mean 'latency_ms'?)"),
        (("own", "own_metrics:sise"), "did you mean 'size'"),
        (("own", "own_metrics:params"), "'params' is a metric of naslab's own: give the function another name"),
        (("own", "own_metrics:two"), "must take (network)"),
        (("own", "own_metric:size"), "there is no module 'own_metric'"),
        (("onw", "latency_ms"), "unknown study 'onw' (did you mean 'own'"),
        (("own:7", "latency_ms"), "networks of study 'own' are a whole study"),
        (("own:front@macs<=1", "latency_ms"), "no trial of the study meets macs<=1"),
        (("own", "latency_ms", "--device", "cuda:9"), "device 'cuda:9'"),
        (("own", "latency_ms", "--target", "torch"), "--target has no effect beside --metric"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_measured_is_one_line(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    study, metric, *more = arguments
    assert told in naslab(folder, "measure", study, "--metric", metric, *more).refusal()
    assert not MEASURED


def test_a_study_that_is_driven_is_not_measured(folder: Path) -> None:
    with Ledger.open(folder / "l.db") as ledger, ledger.claim("own"):
        assert "is being driven by" in naslab(folder, "measure", "own", "--metric", "latency_ms").refusal()
