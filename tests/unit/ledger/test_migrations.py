"""Ledgers of older versions: brought to this one whole, by row; refused by name where that cannot be."""

from __future__ import annotations

import fcntl
import json
import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kept_ledgers import Rows, change, kept_versions, place_kept, rows_of
from ledger_examples import example_study
from postgres import BACKENDS
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from naslab.analysis.study import read_study
from naslab.errors import LedgerError, StudyError
from naslab.ledger import Ledger, engine, migrations
from naslab.ledger.claim import claimed_file, claimed_server
from naslab.ledger.engine import writing
from naslab.ledger.location import locate
from naslab.ledger.migrations import SCHEMA_VERSION, Step
from naslab.ledger.tables import metadata
from naslab.study.outcome import Estimate, Outcome

WORDS = (
    ('"foretold_', '"extrapolated_'),
    ('"calibrate: foretold', '"calibrate: extrapolated'),
    ("trust/foretold", "trust/extrapolated"),
    ('"operator":"elsewhere"', '"operator":"fallback"'),
)
"""What version 2 calls otherwise, as it stands in JSON."""


@pytest.fixture(params=BACKENDS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "studies.db")
    return request.getfixturevalue("postgres_database")


def in_new_words(rows: Rows) -> Rows:
    """The rows of version 1 as later ones have them, by their texts alone."""

    def told(key: str, value: Any) -> Any:
        if key == "version":
            return SCHEMA_VERSION
        if not isinstance(value, str) or key == "command":
            return value
        if key == "metric":
            return value.replace("foretold_", "extrapolated_")
        for old, new in WORDS:
            if key != "record" or '"command"' not in value:
                value = value.replace(old, new)
        return value

    made = {
        name: [{key: told(key, value) for key, value in row.items()} for row in found] for name, found in rows.items()
    }
    for row in made["trials"]:
        told = json.loads(row["candidate"])["fidelity"]
        row |= {"fidelity": json.dumps(told, separators=(",", ":")), "identity": None}
    return {name: sorted(found, key=lambda row: repr(list(row.values()))) for name, found in made.items()}


def test_a_ledger_of_every_older_version_is_kept() -> None:
    assert set(range(1, SCHEMA_VERSION)) <= set(kept_versions())


@pytest.mark.parametrize("version", kept_versions())
def test_every_study_of_every_version_is_read(location: str, version: int) -> None:
    place_kept(version, location)
    before = rows_of(location)
    with Ledger.open(location, create=False) as ledger:
        views = [read_study(ledger, name) for name in ledger.study_names()]
    assert len(views) == len(before["studies"])
    listed = [outcome for view in views for outcome in (*view.outcomes, *view.family, *view.baselines)]
    assert len(listed) == len(before["outcomes"])
    assert sum(view.num_in_flight for view in views) == len(before["trials"]) - len(before["outcomes"]) > 0
    assert sum(len(view.runs) for view in views) == len(before["runs"])
    after = rows_of(location)
    assert after["naslab_schema"] == [{"version": SCHEMA_VERSION}]
    assert len(after["results"]) == len(before["results"]) > 0


def test_a_kept_ledger_holds_everything_there_is_to_migrate(tmp_path: Path) -> None:
    place_kept(1, str(tmp_path / "studies.db"))
    with Ledger.open(tmp_path / "studies.db") as ledger:
        views = {name: read_study(ledger, name) for name in ledger.study_names()}
    outcomes = [outcome for view in views.values() for outcome in (*view.outcomes, *view.family, *view.baselines)]
    assert {outcome.candidate.role for outcome in outcomes} == {"search", "family", "baseline"}
    assert {outcome.candidate.origin.get("operator") for outcome in outcomes} >= {"promote", "fallback"}
    assert any("inherited" in outcome.estimate.notes for outcome in outcomes)
    assert any("latency_ms" in outcome.estimate.measured for outcome in outcomes)
    assert not all(outcome.is_complete for outcome in views["failing"].outcomes)
    assert views["rungs"].record.rungs is not None
    assert views["predicted"].record.estimator.startswith("predictor")
    assert views["running"].num_in_flight > 0
    stopped = [outcome.estimate.notes["stopped"] for outcome in outcomes if "stopped" in outcome.estimate.notes]
    assert stopped
    assert all({"extrapolated_accuracy", "extrapolated_low", "extrapolated_high"} <= note.keys() for note in stopped)
    judged = views["trust/extrapolated:epochs=3"]
    assert judged.record.strategy.startswith("calibrate: extrapolated epochs=3")
    assert all("extrapolated_accuracy" in outcome.estimate.measured for outcome in judged.outcomes)


def test_version_1_says_the_same_in_new_words(location: str) -> None:
    if SCHEMA_VERSION > 7:
        pytest.skip("a later step changes the rows too")
    place_kept(1, location)
    before = rows_of(location)
    Ledger.open(location).close()
    assert rows_of(location) == in_new_words(before) != before


@pytest.mark.parametrize("version", kept_versions())
def test_a_migrated_ledger_has_the_tables_of_a_new_one(location: str, version: int) -> None:
    place_kept(version, location)
    Ledger.open(location).close()
    engine = create_engine(locate(location).url)
    own = inspect(engine)
    schema = None if "://" not in location else "naslab"
    for table in metadata.sorted_tables:
        found = {each["name"]: each["nullable"] for each in own.get_columns(table.name, schema)}
        assert found == {each.name: each.nullable for each in table.columns}
        assert {each["name"] for each in own.get_indexes(table.name, schema)} >= {each.name for each in table.indexes}
        keys = [tuple(each["constrained_columns"]) for each in own.get_foreign_keys(table.name, schema)]
        assert set(keys) == {tuple(each.column_keys) for each in table.foreign_key_constraints}
    engine.dispose()


def test_a_migrated_study_goes_on(location: str) -> None:
    place_kept(1, location)
    with Ledger.open(location) as ledger, ledger.claim("running"):
        candidate, *_ = ledger.in_flight("running")
        assert ledger.running("running") == []
        ledger.start_again("running", [candidate.trial])
        assert [each.trial for each in ledger.running("running")] == [candidate.trial]
        ledger.finish("running", Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": 90.0})))
        assert [outcome.candidate for outcome in ledger.outcomes("running")] == [candidate]
        ledger.create_study(example_study())
        assert ledger.study_names()[-1] == "digits"


def test_a_file_is_copied_first_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "studies.db"
    place_kept(1, str(path))
    path.chmod(0o640)
    before = rows_of(str(path))
    with caplog.at_level(logging.WARNING):
        Ledger.open(path).close()
        Ledger.open(path).close()
    copy = tmp_path / "studies.db.version1"
    [message] = caplog.messages
    assert f"ledger {path} is brought from version 1 to {SCHEMA_VERSION} ('foretold' is 'extrapolated'" in message
    assert message.endswith(f"as it was before: {copy}")
    assert copy.stat().st_mode & 0o777 == 0o640
    assert rows_of(str(copy)) == before
    whole = copy.read_bytes()
    path.write_bytes(whole)
    Ledger.open(path).close()
    assert copy.read_bytes() == whole
    assert not Path(f"{copy}.2").exists(), "the copy is there already"
    path.write_bytes(whole)
    with sqlite3.connect(path) as another:
        another.execute("PRAGMA user_version = 7")
    another.close()
    Ledger.open(path).close()
    assert copy.read_bytes() == whole
    assert rows_of(f"{copy}.2") == before
    assert not list(tmp_path.glob(".partial-*"))


def test_programs_that_open_it_at_once_take_turns(location: str, tmp_path: Path) -> None:
    place_kept(1, location)
    found: list[list[str]] = []

    def read() -> None:
        with Ledger.open(location) as ledger:
            found.append(ledger.study_names())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert found.count(found[0]) == 4
    assert len(list(tmp_path.glob("*.version1*"))) == (1 if "://" not in location else 0)


def test_a_ledger_that_is_being_driven_is_refused(location: str) -> None:
    place_kept(1, location)
    before = rows_of(location)
    place = locate(location)
    pool = create_engine(place.url)
    claim = claimed_server(pool, place, 1, "plain") if place.path is None else claimed_file(place.path, 1, "plain")
    with (
        claim,
        pytest.raises(LedgerError, match=r"cannot be brought from version 1 .*'plain' is being driven by .*: wait"),
    ):
        Ledger.open(location)
    pool.dispose()
    assert rows_of(location) == before
    if place.path is not None:
        place.path.with_name(f"{place.path.name}.claim2").write_text("a killed driver's")
    with Ledger.open(location) as ledger:
        assert "plain" in ledger.study_names()


def test_a_link_hides_no_driver(tmp_path: Path) -> None:
    place_kept(1, str(tmp_path / "studies.db"))
    link = tmp_path / "link.db"
    link.symlink_to("studies.db")
    for claimed, opened in ((tmp_path / "studies.db", link), (link, tmp_path / "studies.db")):
        with claimed_file(claimed, 1, "plain"), pytest.raises(LedgerError, match="'plain' is being driven by"):
            Ledger.open(opened)
    with (tmp_path / "link.db.claim1").open("w") as of_an_older_program:
        fcntl.flock(of_an_older_program, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="'plain' is being driven by"):
            Ledger.open(link)
    with (
        Ledger.open(link) as ledger,
        Ledger.open(tmp_path / "studies.db") as other,
        ledger.claim("plain"),
        pytest.raises(StudyError, match="driven by process"),
        other.claim("plain"),
    ):
        pass


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["UPDATE naslab_schema SET version = 0"], "0"),
        (["UPDATE naslab_schema SET version = -3"], "-3"),
        (["INSERT INTO naslab_schema VALUES (2)"], "1, 2"),
        (["DELETE FROM naslab_schema"], "nothing"),
    ],
)
def test_a_version_that_no_program_wrote_is_refused(location: str, statements: list[str], told: str) -> None:
    place_kept(1, location)
    change(location, *statements)
    before = rows_of(location)
    for create in (True, False):
        with pytest.raises(LedgerError, match=f"says that its version is {told}, no naslab wrote that .*left as it is"):
            Ledger.open(location, create=create)
    assert rows_of(location) == before


def test_a_version_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection:
        connection.executescript("CREATE TABLE naslab_schema (version TEXT); INSERT INTO naslab_schema VALUES ('new')")
    with pytest.raises(LedgerError, match="says that its version is 'new'"):
        Ledger.open(tmp_path / "studies.db")


def test_a_ledger_that_changes_while_it_is_open_is_written_no_more(location: str) -> None:
    with Ledger.open(location) as ledger:
        change(location, f"UPDATE naslab_schema SET version = {SCHEMA_VERSION + 1}")
        with pytest.raises(LedgerError, match="newer naslab"):
            ledger.create_study(example_study())
        change(location, f"UPDATE naslab_schema SET version = {SCHEMA_VERSION - 1}")
        with pytest.raises(LedgerError, match=f"is of version {SCHEMA_VERSION - 1} since it was opened: open it again"):
            ledger.create_study(example_study())
        change(location, f"UPDATE naslab_schema SET version = {SCHEMA_VERSION}")
        ledger.create_study(example_study())


def test_what_is_damaged_or_unknown_stays_as_it_is(location: str) -> None:
    place_kept(1, location)
    damaged = "UPDATE outcomes SET estimate = substr(estimate, 1, 40) WHERE study_id = 1 AND trial = 0"
    with_more = 'UPDATE outcomes SET estimate = replace(estimate, \'{"measured"\', \'{"more":[1,null],"measured"\')'
    change(location, with_more, damaged)
    Ledger.open(location).close()
    rows = rows_of(location)["outcomes"]
    whole = [row for row in rows if row["study_id"] != 1]
    assert all(json.loads(row["estimate"])["more"] == [1, None] for row in whole)
    with Ledger.open(location) as ledger:
        assert ledger.outcomes("stopped")
        with pytest.raises(LedgerError, match="the estimate of trial 0 of study 'plain' in the ledger is damaged"):
            ledger.outcomes("plain")


def test_json_of_any_depth_is_brought_over(location: str) -> None:
    place_kept(1, location)
    deep = "[" * 100_000
    change(location, f"UPDATE outcomes SET estimate = '{deep}' WHERE study_id = 1 AND trial = 0")
    with (
        Ledger.open(location) as ledger,
        pytest.raises(LedgerError, match="the estimate of trial 0 of study 'plain' in the ledger is damaged"),
    ):
        ledger.outcomes("plain")


def test_a_taken_name_is_not_given_again(location: str) -> None:
    place_kept(1, location)
    change(location, "UPDATE studies SET name = 'trust/extrapolated:epochs=3' WHERE name = 'plain'")
    with Ledger.open(location) as ledger:
        assert {"trust/foretold:epochs=3", "trust/extrapolated:epochs=3"} <= set(ledger.study_names())
        assert ledger.study("trust/foretold:epochs=3").strategy.startswith("calibrate: extrapolated")


def lengthen_identities(connection: Connection) -> None:
    connection.execute(text("UPDATE trials SET arch_id = arch_id || '-2'"))
    connection.execute(text("UPDATE outcomes SET arch_id = arch_id || '-2'"))


def lengthen_those_of_trials(connection: Connection) -> None:
    connection.execute(text("UPDATE trials SET arch_id = arch_id || '-2'"))


def add_step(monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, step))
    for module in (migrations, engine):
        monkeypatch.setattr(module, "SCHEMA_VERSION", 1 + len(migrations.STEPS))


def test_a_step_may_rewrite_identities_and_the_view(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place_kept(1, location)
    before = rows_of(location)
    view = "CREATE VIEW results AS SELECT study_id, trial, arch_id AS network FROM trials"
    monkeypatch.setattr(migrations, "RESULTS_VIEW", view)
    add_step(monkeypatch, Step("longer identities", lengthen_identities, changes_view=True))
    Ledger.open(location).close()
    after = rows_of(location)
    assert {row["arch_id"] for row in after["outcomes"]} == {f"{row['arch_id']}-2" for row in before["outcomes"]}
    assert after["results"][0].keys() == {"study_id", "trial", "network"}
    with pytest.raises(IntegrityError):
        change_with_keys(location, "UPDATE trials SET arch_id = 'other' WHERE study_id = 1")


def test_a_step_that_breaks_a_foreign_key_leaves_the_ledger_as_it_was(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_kept(1, location)
    before = rows_of(location)
    add_step(monkeypatch, Step("half of the identities", lengthen_those_of_trials))
    with pytest.raises(IntegrityError):
        Ledger.open(location)
    assert rows_of(location) == before
    if "://" not in location:
        assert not list(Path(location).parent.glob("*.version*"))  # the copy is of no use


def change_with_keys(location: str, statement: str) -> None:
    """A change that looks at foreign keys, as naslab's own do."""
    with Ledger.open(location) as ledger, writing(ledger._engine).begin() as connection:
        connection.execute(text(statement))
