"""`naslab studies` as a user runs it: listed, renamed, deleted, merged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from made_studies import made_study, naslab

from naslab.analysis.study import problem_names, problem_of
from naslab.errors import StudyError
from naslab.ledger import Ledger


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "l.db") as ledger:
        made_study(ledger, "one", seed=0, trials=2)
        made_study(ledger, "two", seed=1, trials=2)
    return tmp_path


def listed(folder: Path) -> list[str]:
    return [each["name"] for each in naslab(folder, "studies", "--json").value]


def test_studies_are_renamed_merged_and_deleted(folder: Path) -> None:
    assert listed(folder) == ["one", "two"]
    assert naslab(folder, "studies", "rename", "one", "first", "--json").value == {"study": "first", "was": "one"}
    merged = naslab(folder, "studies", "merge", "first", "two", "--into", "both", "--json").value
    assert [(each["name"], each["num_outcomes"]) for each in merged["merged"]] == [("first", 2), ("two", 2)]
    assert listed(folder) == ["first", "two", "both"]
    assert len(naslab(folder, "table", "both", "--json").value) == 4
    gone = naslab(folder, "studies", "delete", "first", "two", "--yes", "--json").value
    assert gone == {"deleted": [{"study": "first", "outcomes": 2}, {"study": "two", "outcomes": 2}]}
    assert listed(folder) == ["both"]


@pytest.mark.slow
def test_listing_loads_nothing_that_it_does_not_use_and_ends_at_once(folder: Path) -> None:
    code = (
        "import gc, sys; from naslab.cli.main import app; "
        "app(args=['studies', '--ledger', 'l.db'], standalone_mode=False); "
        "print([m for m in ('numpy', 'yaml', 'torch', 'psycopg') if m in sys.modules], gc.get_freeze_count() > 0)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert shown.stdout.splitlines()[-1] == "[] True"


def test_deleting_asks(folder: Path) -> None:
    for answer in ("", "n\n", "yes please\n"):
        told = naslab(folder, "studies", "delete", "one", answer=answer).refusal()
        assert (
            told == "delete study 'one' with 2 finished trials from l.db? Nothing was deleted: answer y, or give --yes"
        )
        assert listed(folder) == ["one", "two"]
    shown = naslab(folder, "studies", "delete", "one", answer="y\n")
    assert (shown.code, shown.err) == (0, "deleted one\n")
    assert listed(folder) == ["two"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("renam", "one", "first"), "unknown action 'renam' (did you mean 'rename'?)"),
        (("rename", "one"), "it is written naslab studies rename OLD NEW, got one"),
        (("rename", "one", "two"), "study 'two' exists already"),
        (("rename", "on", "first"), "unknown study 'on' (did you mean 'one'"),
        (("delete",), "it is written naslab studies delete NAME..., got nothing"),
        (("delete", "one", "thre", "--yes"), "unknown study 'thre'"),
        (("merge", "one", "two"), "naslab studies merge A B... --into C, got one two"),
        (("merge", "one", "--into", "both"), "it is written"),
        (("merge", "one", "two", "--into", "two"), "study 'two' exists already: name a new one"),
        (("merge", "one", "two", "--into", "both", "--yes"), "--yes has no effect without the word delete"),
        (("rename", "one", "first", "--ledger", "none.db"), "there is no ledger at none.db"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_line_and_changes_nothing(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in naslab(folder, "studies", *arguments).refusal()
    assert listed(folder) == ["one", "two"]


def test_a_driven_study_is_refused_before_anything_is_asked_or_deleted(folder: Path) -> None:
    with Ledger.open(folder / "l.db") as ledger, ledger.claim("two"):
        told = naslab(folder, "studies", "delete", "one", "two", "--yes").refusal()
        assert told.startswith("study 'two' is being driven by process ")
        assert "being driven" in naslab(folder, "studies", "rename", "two", "second").refusal()
        assert "being driven" in naslab(folder, "studies", "merge", "one", "two", "--into", "both").refusal()
    assert listed(folder) == ["one", "two"]


def test_a_study_is_listed_by_the_names_in_its_problem(folder: Path) -> None:
    with Ledger.open(folder / "l.db") as ledger:
        record, problem = ledger.study("one"), problem_of(ledger.study("one"))
        assert problem_names(record) == (problem.space.name, problem.data.name)
        ledger.amend_study(
            msgspec.structs.replace(record, problem={**record.problem, "space": {"name": "later", "no": 1}})
        )
    [one, two] = naslab(folder, "studies", "--json").value
    assert (one["space"], one["dataset"]) == ("later", problem.data.name)
    assert (two["space"], two["dataset"]) == (problem.space.name, problem.data.name)
    with pytest.raises(StudyError, match=r"the problem of study .one. cannot be read .*another version"):
        problem_names(msgspec.structs.replace(record, problem={"space": "plain"}))
