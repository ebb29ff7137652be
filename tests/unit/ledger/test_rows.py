"""Stored values of another form: which field, by which version; damaged is what is no JSON, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kept_ledgers import change
from ledger_examples import diverged_outcome, example_candidate, example_outcome, example_study
from sqlalchemy import create_engine, text

from naslab.errors import LedgerError, UnreadableError
from naslab.ledger import Ledger, RunRecord
from naslab.ledger.rows import candidate_row, outcome_row, read_candidate, read_outcome
from naslab.study.rungs import Rungs

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger whose study was written to by two versions of naslab."""
    path = tmp_path / "studies.db"
    with Ledger.open(path) as ledger:
        ledger.create_study(msgspec.structs.replace(example_study(), rungs=Rungs((1, 2))))
        for version in ("9.1.0", "9.2.0", "9.1.0"):
            ledger.add_run("digits", RunRecord(command="naslab search", started=1.0, versions={"naslab": version}))
        ledger.start("digits", [example_candidate(trial) for trial in range(3)])
        ledger.finish("digits", example_outcome(example_candidate(0)))
        ledger.finish("digits", diverged_outcome(example_candidate(1)))
    return path


def edit(path: Path, table: str, column: str, where: str, change: Edit) -> None:
    """Change a stored JSON object."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        [(stored,)] = connection.execute(text(f"SELECT {column} FROM {table} WHERE {where}")).all()
        value = json.loads(stored)
        change(value)
        connection.execute(text(f"UPDATE {table} SET {column} = :new WHERE {where}"), {"new": json.dumps(value)})
    engine.dispose()


def rename(old: str, new: str, *inside: str) -> Edit:
    def change(value: dict[str, Any]) -> None:
        for each in inside:
            value = value[each]
        value[new] = value.pop(old)

    return change


def put(name: str, new: Any, *inside: Any) -> Edit:
    def change(value: Any) -> None:
        for each in inside:
            value = value[each]
        value[name] = new

    return change


READ: dict[str, Callable[[Ledger], object]] = {
    "study": lambda ledger: ledger.study("digits"),
    "runs": lambda ledger: ledger.runs("digits"),
    "outcomes": lambda ledger: ledger.outcomes("digits"),
    "in_flight": lambda ledger: ledger.in_flight("digits"),
}

RECORD = ("studies", "record", "study_id = 1")
RUN = ("runs", "record", "run_id = 1")
ESTIMATE = ("outcomes", "estimate", "trial = 0")
FAILED = ("outcomes", "estimate", "trial = 1")
CANDIDATE = ("trials", "candidate", "trial = 2")
NETWORK = ("trials", "arch", "trial = 0")


@pytest.mark.parametrize(
    ("place", "change", "read", "told"),
    [
        (RECORD, rename("epochs", "num_epochs"), "study", "study 'digits' .*: misses the required field epochs"),
        (RECORD, rename("inherit", "inherits"), "study", "field 'inherits' is unknown here and 'inherit' is missing"),
        (RECORD, put("seed", "seven"), "study", "study 'digits' .*: field seed: expected int, got str 'seven'"),
        (RECORD, rename("keep", "kept", "rungs"), "study", "study 'digits' .*: field rungs: unknown field 'kept'"),
        (RUN, rename("versions", "packages"), "runs", "a run of study 'digits' .*'packages' is unknown"),
        (ESTIMATE, rename("measured", "metrics"), "outcomes", "the estimate of trial 0 of study 'digits' .*'metrics'"),
        (ESTIMATE, put("wall_seconds", None), "outcomes", "trial 0 of .*: field wall_seconds: expected float"),
        (ESTIMATE, rename("epoch", "number", "curve", 0), "outcomes", r"trial 0 .*: field curve\[0\]: misses"),
        (FAILED, put("reason", "bored", "failure"), "outcomes", "trial 1 .*: field failure.reason: must be one of"),
        (FAILED, rename("traceback", "trace", "failure"), "outcomes", "field failure: unknown field 'trace'"),
        (CANDIDATE, rename("seed", "seeds"), "in_flight", "trial 2 of .*: misses the required field seed"),
        (CANDIDATE, put("images", "all", "fidelity"), "in_flight", "trial 2 .*: field fidelity.images: expected int"),
        (CANDIDATE, put("pictures", 9, "fidelity"), "in_flight", "field fidelity: unknown field 'pictures'"),
        (NETWORK, put("type", "mbconv9", "stages", 0, "block"), "outcomes", r"the network of trial 0 .*'mbconv9'"),
    ],
)  # fmt: skip
def test_another_form_is_told_by_field_and_version(
    path: Path, place: tuple[str, str, str], change: Edit, read: str, told: str
) -> None:
    edit(path, *place, change)
    with Ledger.open(path) as ledger, pytest.raises(UnreadableError) as refused:
        READ[read](ledger)
    message = str(refused.value)
    assert re.search(told, message), message
    assert re.search(r"not readable by this version of naslab", message)
    wrote = "9.1.0, 9.2.0" if place[2] != "run_id = 1" else "9.2.0, 9.1.0"
    assert f"; naslab {wrote} wrote it, this is " in message
    assert message.endswith(": read the study with that version, or update naslab")
    assert "damaged" not in message
    assert "\n" not in message


def test_without_runs_the_mend_is_told_without_versions(path: Path) -> None:
    change(str(path), "DELETE FROM runs")
    edit(path, *RECORD, rename("epochs", "num_epochs"))
    with (
        Ledger.open(path) as ledger,
        pytest.raises(UnreadableError, match="read the study with the version that wrote"),
    ):
        ledger.study("digits")


@pytest.mark.parametrize(
    ("statement", "read", "told"),
    [
        ("UPDATE studies SET record = substr(record, 1, 30)", "study", "study 'digits' in the ledger is damaged"),
        ("UPDATE outcomes SET estimate = ''", "outcomes", "the estimate of trial 0 of study 'digits' .* damaged"),
        ("UPDATE trials SET arch = replace(arch, '}', '')", "in_flight", "the network of trial 2 of .* damaged"),
        ("UPDATE trials SET candidate = 'x' || candidate", "in_flight", "^trial 2 of study 'digits' .* is damaged"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_damaged(path: Path, statement: str, read: str, told: str) -> None:
    change(str(path), statement)
    with Ledger.open(path) as ledger, pytest.raises(LedgerError, match=told + r".*: restore the ledger from a copy"):
        READ[read](ledger)


@pytest.mark.parametrize("stored", ["[]", "3", "null", '"text"'])
def test_json_of_another_kind_is_not_readable(path: Path, stored: str) -> None:
    change(
        str(path), f"UPDATE trials SET candidate = '{stored}' WHERE trial = 2", f"UPDATE runs SET record = '{stored}'"
    )
    with Ledger.open(path) as ledger:
        for read in ("in_flight", "runs"):
            with pytest.raises(UnreadableError, match="expected object, got"):
                READ[read](ledger)


def test_fields_of_a_newer_program_are_read_past_and_stay_in_the_ledger(path: Path) -> None:
    for place in (RECORD, RUN, ESTIMATE, CANDIDATE):
        edit(path, *place, put("later", {"more": [1]}))
    with Ledger.open(path) as ledger:
        assert ledger.study("digits").epochs == 2
        assert [ledger.outcomes("digits")[0], ledger.in_flight("digits")[0]] == [
            example_outcome(example_candidate(0)),
            example_candidate(2),
        ]
        ledger.set_trials("digits", 99)
        ledger.finish("digits", example_outcome(example_candidate(2)))
        assert len(ledger.runs("digits")) == 3
    kept: list[Any] = []
    for place in (RECORD, RUN, ESTIMATE, CANDIDATE):
        edit(path, *place, lambda value: kept.append(value["later"]))
    assert kept == [{"more": [1]}] * 4


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value that has a name or a number."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, inner in items for each in ((*path, key), *places(inner, (*path, key)))]


@pytest.mark.parametrize("new", [None, -7, "word", [], [[]], {}, {"type": "conv"}, 1e400])
def test_any_other_value_anywhere_is_read_or_refused(new: Any) -> None:
    """Each value of a stored candidate, network and estimate in turn is another one, or under another name."""
    candidate = candidate_row(1, example_candidate(2))
    failed, done = (outcome_row(1, made(example_candidate(2))) for made in (diverged_outcome, example_outcome))
    refusals, num_read = [], 0
    for column, row in (("arch", candidate), ("candidate", candidate), ("estimate", failed), ("estimate", done)):
        for *inside, last in places(json.loads(row[column])):
            renamed = [rename(last, "other", *inside)] if isinstance(last, str) else []
            for rewrite in (put(last, new, *inside), *renamed):
                value = json.loads(row[column])
                rewrite(value)
                rows = {**candidate, "estimate": "{}", **row, column: json.dumps(value)}
                try:
                    read = read_candidate(rows["arch"], rows["candidate"], "trial 2")
                    read_outcome(read, 1.0, rows["estimate"], "trial 2")
                    num_read += 1
                except UnreadableError as error:
                    refusals.append(str(error))
    assert min(num_read, len(refusals)) > 10
    assert not [message for message in refusals if "\n" in message]
