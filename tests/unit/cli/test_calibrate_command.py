"""`naslab calibrate` as a user runs it: a table for people, one JSON value, a page, and errors in one line."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from naslab.cli.main import run
from naslab.estimators.known_table import genome_key
from naslab.space import load_space

SPACE = """
input: [1, 8, 8]
num_classes: 10
stages:
  - {block: &block {choice: [{type: conv}, {type: mbconv}]}, width: {choice: [4, 8, 12]}}
  - {block: *block, width: {choice: [4, 8, 12]}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a space, and results of all of its networks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NASLAB_LEDGER", raising=False)
    (tmp_path / "toys.yaml").write_text(SPACE, encoding="utf-8")
    rows = [
        f"{genome_key(each)},{50 + sum(gene.option for gene in each.genes)}"
        for each in load_space("toys.yaml").enumerate()
    ]
    (tmp_path / "known.csv").write_text("\n".join(["arch,mean_acc", *rows]), encoding="utf-8")
    return tmp_path


def naslab(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command run in this process."""
    out, err, code = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["naslab", *arguments])
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


ASKED = (
    "calibrate",
    "toys.yaml",
    "--reference",
    "known.csv",
    "--sample",
    "12",
    "--workers",
    "1",
    "--dataset",
    "digits",
)


def test_a_calibration_prints_draws_and_continues(folder):
    code, out, err = naslab(*ASKED, "--estimators", "params", "--out", "trust.html")
    assert code == 0
    assert "params" in out
    assert "12 networks" in out
    assert "12 of 12" in err
    assert (folder / "trust.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    code, out, err = naslab(*ASKED, "--estimators", "params", "--json")
    assert "params: 12 of 12 networks are there" in err
    [line] = json.loads(out)["estimators"]
    assert line["tau"]["low"] <= line["tau"]["value"] <= line["tau"]["high"]
    assert line["num_networks"] == 12


def test_an_unknown_estimator_is_one_line(folder):
    code, out, err = naslab(*ASKED, "--estimators", "parms")
    assert (code, out) == (2, "")
    assert err.strip() == "naslab: unknown estimator 'parms' (did you mean 'params'?)"
    assert not (folder / "naslab.db").exists()


def test_a_page_that_cannot_be_written_is_refused_before_anything_runs(folder) -> None:
    (folder / "taken").mkdir()
    for out in ("taken", "known.csv/page.html"):
        code, _, err = naslab(*ASKED, "--estimators", "params", "--out", out, "--ledger", "a.db")
        assert (code, "cannot write" in err, "Traceback" in err) == (2, True, False)
    assert not (folder / "a.db").exists()
