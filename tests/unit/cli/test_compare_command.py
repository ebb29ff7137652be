"""`naslab compare` as a user runs it, on a small file."""

from __future__ import annotations

import csv
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from naslab.cli.main import run

COMMON = ("--table", "table.csv", "--knobs", "kernel,width,kind", "--processes", "1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table of 60 networks; one of them has no accuracy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NASLAB_DATA", raising=False)
    with Path("table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["kernel", "width", "kind", "accuracy", "macs", "seconds", "flat", "empty", "note"])
        for kernel, width, kind in product((3, 5, 7), (8, 16, 24, 32, 48), ("conv", "mbconv", "residual", "skip")):
            accuracy = 70 + kernel + 0.2 * width + {"conv": 0, "mbconv": 3, "residual": 2, "skip": -9}[kind]
            cell = "" if (kernel, width, kind) == (7, 48, "skip") else accuracy
            writer.writerow([kernel, width, kind, cell, kernel**2 * width, 10 + width, 1.5, "", "text"])
    return tmp_path


def shown(*arguments: str) -> tuple[int, str, str]:
    """The exit code of `naslab compare`, and what it printed."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["naslab", "compare", *arguments])
        try:
            run()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def value(*arguments: str) -> Any:
    """The one JSON value on stdout."""
    code, out, err = shown(*arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_json_is_what_scripts_read(folder: Path) -> None:
    found = value(*COMMON, "--strategies", "random,local", "--trials", "50", "--seeds", "3")
    assert (found["rows"], found["networks"]) == (59, 59)
    for standing in found["strategies"].values():
        assert standing["seeds"] == 3
        assert list(standing["regret"]) == ["20", "50"]
        assert set(standing["regret"]["20"]) == {"mean", "median", "sem"}
        assert standing["regret"]["20"]["mean"] >= standing["regret"]["50"]["mean"] >= 0
        assert standing["hypervolume"] == {}
        assert standing["ask_ms"] > 0
    local = found["strategies"]["local"]
    assert (local["regret"]["50"]["mean"], local["rank"]["50"]["mean"]) == (0, 1)
    assert 1 <= local["evaluations_to_top"] <= 50
    again = value(*COMMON, "--strategies", "random,local", "--trials", "50", "--seeds", "3")
    assert again["strategies"]["local"]["regret"] == local["regret"]


def test_two_objectives_have_hypervolume_and_curves(folder: Path) -> None:
    arguments = ("--objectives", "accuracy,macs", "--minimise", "macs", "--features", "macs")
    budget = ("--strategies", "random,nsga2", "--trials", "25", "--seeds", "2")
    found = value(*COMMON, *arguments, *budget, "--out", "curves.html")
    assert found["reference_point"] == {"accuracy": 65.6, "macs": 2352.0}
    assert all(0 < each["hypervolume"]["20"]["mean"] <= 1 for each in found["strategies"].values())
    text = (folder / "curves.html").read_text(encoding="utf-8")
    assert "Regret of accuracy over evaluations" in text
    assert "Hypervolume over evaluations" in text
    code, out, err = shown(*COMMON, *arguments, *budget)
    assert code == 0
    assert "share of the hypervolume after" in out
    assert "accuracy 65.6, macs 2352" in err


def test_a_simulated_cluster(folder: Path) -> None:
    cluster = ("--workers", "5", "--duration", "seconds", "--straggler-rate", "0.1", "--failure-rate", "0.1")
    found = value(*COMMON, *cluster, "--strategies", "random", "--trials", "40", "--seeds", "4", "--target", "80")
    standing = found["strategies"]["random"]
    assert found["target"] == 80
    assert 0.9 < standing["utilisation"] <= 1
    assert standing["seconds_to_target"] > 0
    assert standing["wasted"]["mean"] > 0
    missed = value(*COMMON, "--strategies", "random", "--trials", "5", "--seeds", "2", "--target", "99")
    assert missed["strategies"]["random"]["seconds_to_target"] is None


def test_a_table_that_runs_out_is_said(folder: Path) -> None:
    code, out, err = shown(*COMMON, "--strategies", "random", "--trials", "100", "--seeds", "2")
    assert code == 0
    assert "random ended before 100 evaluations: it had proposed every network of the table" in err
    assert "50" in out


@pytest.mark.parametrize(
    ("trials", "more", "name", "reason"),
    [
        ("10", (), "bayes", "10 trials of 59 genomes are few"),
        ("59", (), "random", "59 trials reach all of the space's 59 genomes"),
        ("59", ("--features", "naswot"), "bayes", "a prior and pauses are for models"),
    ],
)
def test_auto_is_what_a_search_takes(folder: Path, trials: str, more: tuple[str, ...], name: str, reason: str) -> None:
    text = (folder / "table.csv").read_text(encoding="utf-8")
    (folder / "table.csv").write_text(text.replace("flat", "naswot"), encoding="utf-8")
    arguments = (*COMMON, "--strategies", f"auto,{name}", "--trials", trials, "--seeds", "1", "--json", *more)
    code, out, err = shown(*arguments)
    assert (code, list(json.loads(out)["strategies"])) == (0, [name]), err
    assert len(err.splitlines()) == 1
    assert err.startswith(f"auto is {name}: {reason}")


def test_one_seed_has_no_standard_error(folder: Path) -> None:
    searched = ("--strategies", "random", "--trials", "10", "--seeds")
    spread = value(*COMMON, *searched, "1")["strategies"]["random"]["regret"]["10"]
    assert (spread["mean"], spread["sem"]) == (spread["median"], None)
    _, out, err = shown(*COMMON, *searched, "1", "--out", "one.html")
    assert "±" not in out + err
    assert "figures are of one seed" in err
    assert "a standard error" not in (folder / "one.html").read_text(encoding="utf-8")
    _, out, err = shown(*COMMON, *searched, "2")
    assert "±" in out
    assert "figures are mean ± standard error (median) over seeds" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--knobs", "kernl"), "unknown knob column 'kernl' (did you mean 'kernel'?)"),
        (("--objectives", "acuracy"), "unknown objective column 'acuracy' (did you mean 'accuracy'?)"),
        (("--features", "mac"), "unknown feature column 'mac' (did you mean 'macs'?)"),
        (("--duration", "second"), "unknown duration column 'second' (did you mean 'seconds'?)"),
        (("--duration", "note"), "line 2, column 'note': needs a number, got 'text'"),
        (("--minimise", "macs"), "unknown objective to minimise 'macs'"),
        (("--knobs", "kernel,accuracy"), "'accuracy' is an objective"),
        (("--knobs", ""), "knobs: needs at least one column"),
        (("--knobs", "kernel,width"), "lines 2 and 3 have equal knobs and other results"),
        (("--objectives", "note"), "line 2, column 'note': needs a number, got 'text'"),
        (("--objectives", "flat"), "the objective 'flat' never differs"),
        (("--objectives", "empty"), "the objective 'empty' has no number in any row"),
        (("--seeds", "0"), "seeds: must be a whole number of at least 1, got 0"),
        (("--trials", "0"), "trials: must be at least 1, got 0"),
        (("--workers", "0"), "workers: must be at least 1, got 0"),
        (("--failure-rate", "1.5"), "failure_rate: must be a share"),
        (("--strategies", "randm"), "unknown strategy 'randm' (did you mean 'random'"),
        (("--strategies", ""), "strategies: needs at least one name"),
        (("--objectives", "accuracy,macs", "--strategies", "cmaes"), "'cmaes' "),
        (("--table", "none.csv"), "cannot read the table none.csv"),
        (("--table", "fashion_mixd"), "unknown table 'fashion_mixd' (did you mean 'fashion_mixed'"),
        (("--table", "nas_bench_macro"), "nas_bench_macro has knobs of its own"),
        (("--table", "nas_bench_macro", "--knobs", ""), "set NASLAB_DATA or --data-dir"),
        (("--out", "curves.png"), "give a file that ends in .html"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_bad_input_is_one_clear_message(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = shown(*COMMON, "--trials", "5", "--seeds", "1", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif("NASLAB_DATA" not in os.environ, reason="NASLAB_DATA is not set")
def test_the_known_table() -> None:
    common = ("--table", "nas_bench_macro", "--strategies", "random", "--trials", "20", "--seeds", "2")
    found = value(*common, "--objectives", "accuracy,macs", "--minimise", "macs", "--features", "macs,params")
    assert (found["rows"], found["networks"]) == (6561, 3969)
    assert found["reference_point"]["accuracy"] == 80
    assert round(found["target"], 3) == 93.057
    assert 0.5 < found["strategies"]["random"]["hypervolume"]["20"]["mean"] < 1


def test_the_table_that_comes_with_naslab_needs_no_folder(folder: Path) -> None:
    common = ("--table", "fashion_mixed", "--strategies", "random", "--trials", "20", "--seeds", "2", "--json")
    code, out, err = shown(*common, "--objectives", "accuracy,macs", "--processes", "1")
    assert (code, json.loads(out)["strategies"]["random"]["seeds"]) == (0, 2), err
    code, _, err = shown(*common, "--data-dir", "elsewhere")
    assert (code, "--data-dir has no effect" in err) == (2, True), err
    code, _, err = shown(*common, "--objectives", "macs,accuracy")
    assert (code, "need accuracy first" in err) == (2, True), err
