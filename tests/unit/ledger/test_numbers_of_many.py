"""Outcomes as numbers: those of one network share one, whatever form its identity has."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from ledger_examples import example_candidate, example_study
from sqlalchemy import Connection, Select, event, select, update

from naslab.ledger import Ledger
from naslab.ledger.many import read_columns
from naslab.ledger.numbers import _network_numbers, places_of_texts, read_fidelities
from naslab.ledger.tables import trials
from naslab.study.outcome import Fidelity


def test_networks_are_told_apart_by_their_identities() -> None:
    ids = ["00000000000000ff", "f000000000000001", "00000000000000ff"]
    assert numbers_of(ids).tolist() == [255, -(2**60) + 1, 255]
    for others in (
        ["older", ids[0], "older"],
        ["of sixteen signs", ids[0]],
        ["00000000000000 ff", "0000000000000ff"],
        ["00 00 00 00 00 ff", ids[0]],
        ["000000000000 000", ids[0]],
        [f'{"0" * 15}"', ids[0], ids[0][:-1]],
        [f'{ids[0]}","{ids[0]}', ids[0]],
        ["é" * 8, "0" * 16],
    ):
        assert numbers_of(others).tolist() == [list(dict.fromkeys(others)).index(each) for each in others]
    assert numbers_of([]).tolist() == []


def numbers_of(ids: list[str]) -> np.ndarray:
    return _network_numbers(json.dumps(ids, ensure_ascii=False, separators=(",", ":")))


def test_columns_are_those_of_the_rows_however_long_they_are(tmp_path: Path) -> None:
    """One text holds a whole column, unless it were longer than SQLite's longest."""
    numbers = select(trials.c.trial, trials.c.arch_id, trials.c.params, trials.c.fidelity)
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        assert read_columns(ledger, numbers) == [[], [], [], []]
        candidates = [example_candidate(trial) for trial in range(30)]
        ledger.start("digits", candidates)
        with ledger._writing() as connection:
            told = update(trials).where(trials.c.trial == 7)
            connection.execute(told.values(params=2**63 - 1, arch_id='a "b"\n\\', fidelity=None))
        rows = list(zip(*map(tuple, ledger.rows(numbers)), strict=True))
        found = read_columns(ledger, numbers)
        assert sorted(zip(*found, strict=True)) == sorted(zip(*rows, strict=True))
        assert_arrays(ledger, numbers)

        @event.listens_for(ledger._engine, "begin")
        def shorten(connection: Connection) -> None:
            driver: Any = connection.connection.driver_connection
            driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 300)

        assert sorted(zip(*read_columns(ledger, numbers), strict=True)) == sorted(zip(*rows, strict=True))
        assert_arrays(ledger, numbers)


def assert_arrays(ledger: Ledger, columns: Select[Any]) -> None:
    """A column asked for as JSON is the array of the same values."""
    _, ids, *others = read_columns(ledger, columns, as_json=["arch_id", "params"])
    _, listed, params, _ = read_columns(ledger, columns)
    assert (json.loads(ids), json.loads(others[0])) == (listed, params)


def test_fidelities_of_trials_that_begin_meanwhile_are_left_out(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        whole, part = Fidelity(epochs=9), Fidelity(epochs=1, schedule_epochs=9)
        given = [whole, part, whole, part, part]
        candidates = [
            msgspec.structs.replace(example_candidate(trial), fidelity=each) for trial, each in enumerate(given)
        ]
        ledger.start("digits", candidates)
        places, known = read_fidelities(ledger, np.array([3, 0, 1]), trials.c.study_id == 1)
        assert [msgspec.json.decode(known[place], type=Fidelity) for place in places] == [part, whole, part]
        places, known = read_fidelities(ledger, np.empty(0, dtype=np.int64), trials.c.study_id == 2)
        assert (places.tolist(), known) == ([], [])


def test_places_of_texts_are_kept_from_group_to_group() -> None:
    known: dict[str, int] = {}
    assert places_of_texts(["a", "a"], known).tolist() == [0, 0]
    assert places_of_texts(["b", None, "a"], known).tolist() == [1, 2, 0]
    assert places_of_texts([None], known).tolist() == [2]
    assert known == {"a": 0, "b": 1, "": 2}
