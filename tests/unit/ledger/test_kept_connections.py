"""Connections that a driver keeps: its own, one a kind of transaction, sound after an error, closed at the end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ledger_examples import example_candidate, example_outcome, example_study
from sqlalchemy import Connection, text

from naslab.errors import StudyError
from naslab.ledger import Ledger


def used(ledger: Ledger, is_durable: bool = True) -> Connection:
    """The connection that a transaction takes here and now."""
    with ledger._writing(None if is_durable else ledger._hasty) as connection:
        return connection


def test_a_driver_keeps_one_connection_for_each_kind_of_transaction(tmp_path: Path) -> None:
    others: list[Connection] = []
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        with ledger.claim("digits"):
            durable, hasty = used(ledger), used(ledger, is_durable=False)
            assert durable is not hasty
            with ledger.claim("digits"):
                assert (used(ledger), used(ledger, is_durable=False)) == (durable, hasty)
            assert used(ledger) is durable, "the claim goes on when one within it ends"
            reader = threading.Thread(target=lambda: others.append(used(ledger)))
            reader.start()
            reader.join()
        assert others[0] is not durable
        assert durable.closed
        assert hasty.closed
        assert used(ledger) is not durable


def test_after_an_error_the_next_transaction_is_sound(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        with ledger.claim("digits"):
            one, other = example_candidate(0), example_candidate(1)
            ledger.start("digits", [one])
            with pytest.raises(StudyError, match="started once"):
                ledger.start("digits", [other, one])
            with pytest.raises(StudyError, match="never started"):
                ledger.finish_all("digits", [example_outcome(one), example_outcome(other)])
            assert (ledger.in_flight("digits"), ledger.outcomes("digits")) == ([one], [])
            ledger.finish("digits", example_outcome(one))
            with pytest.raises(StudyError, match="finished already"):
                ledger.finish("digits", example_outcome(one))
            ledger.start("digits", [other])
        assert ledger.outcomes("digits") == [example_outcome(one)]
        assert ledger.in_flight("digits") == [other]


def test_what_a_killed_transaction_wrote_is_not_there(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        with ledger.claim("digits"):
            before = used(ledger)

            def killed() -> None:
                with ledger._writing() as connection:
                    connection.execute(text("DELETE FROM studies"))
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                killed()
            assert used(ledger) is not before
            assert ledger.study_names() == ["digits"]
