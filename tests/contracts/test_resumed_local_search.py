"""Local search that goes on from a large study: it finds what began its climbs by an index, and proposes the same."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from kept_ledgers import kept_versions, place_kept
from made_studies import made_problem
from sqlalchemy import Connection, event, text
from tiny_space import SPACE

from naslab.execution.source import make_candidate
from naslab.ledger import Ledger, finished
from naslab.ledger.finished import LedgerReader, finished_trials
from naslab.ledger.many import study_id_of
from naslab.space import load_space
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import RESTART, Candidate, Estimate, Failure, Outcome
from naslab.study.problem import Problem


def many_hills(folder: Path) -> Problem:
    """A space of 24 genomes, to be searched for an accuracy that follows nothing."""
    (folder / "space.yaml").write_text(SPACE, encoding="utf-8")
    return made_problem(("accuracy",), load_space(str(folder / "space.yaml")))


def estimated(candidate: Candidate) -> Outcome:
    """One in seven fails."""
    if candidate.trial % 7 == 6:
        return Outcome(candidate=candidate, estimate=Estimate(failure=Failure("diverged", "the loss is not a number")))
    accuracy = zlib.crc32(candidate.arch_id.encode()) / 2**32
    return Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": accuracy}))


@pytest.mark.parametrize("seed", range(3))
def test_it_proposes_what_it_would_have_without_an_end(
    ledger: Ledger, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a climb has ended the next one stands at a worse network, which its origin alone tells from a neighbour."""
    monkeypatch.setattr(finished, "MOST_WHOLE", 0)
    problem = many_hills(tmp_path)
    strategy = make_strategy("local", problem, seed)
    operators = []
    for trial in range(18):
        again = make_strategy("local", problem, seed)
        kept = finished_trials(ledger, "digits")
        assert isinstance(kept.reader, LedgerReader) or not trial
        again.tell(kept)
        [proposal] = strategy.ask(1)
        assert again.ask(1) == [proposal], trial
        operators.append(proposal.origin["operator"])
        arch = problem.space.decode(proposal.genome)
        candidate = make_candidate(arch, trial, 1, seed, "search", proposal.genome, proposal.origin)
        ledger.start("digits", [candidate])
        ledger.finish("digits", estimated(candidate))
        strategy.tell([estimated(candidate)])
    first = operators.index("mutate")
    assert RESTART in operators[first:], "no climb ended"


def plan_of_restarts(ledger: Ledger) -> str:
    """How the database says that it looks for what began a climb in the first study."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Connection, cursor: object, statement: str, values: object, *_: object) -> None:
        asked.append((statement, values))

    event.listen(ledger._engine, "before_cursor_execute", note)
    LedgerReader(ledger, 1).made_by(RESTART)
    event.remove(ledger._engine, "before_cursor_execute", note)
    [(statement, values)] = asked
    with ledger._engine.connect() as connection:
        word = "EXPLAIN QUERY PLAN"
        if ledger.location.path is None:
            connection.execute(text("SET enable_seqscan = off"))  # by which so few rows are read as soon
            word = "EXPLAIN"
        return " ".join(map(str, connection.exec_driver_sql(f"{word} {statement}", values)))


def test_what_began_a_climb_is_looked_for_by_its_index(ledger: Ledger) -> None:
    assert "trials_that_begin" in plan_of_restarts(ledger)


@pytest.mark.parametrize("version", kept_versions())
def test_ledgers_of_older_versions_have_that_index(location: str, version: int) -> None:
    place_kept(version, location)
    with Ledger.open(location) as ledger:
        assert "trials_that_begin" in plan_of_restarts(ledger)
        for name in ledger.study_names():
            whole = finished_trials(ledger, name)
            numbers = set(whole.columns.trial.tolist())
            found = LedgerReader(ledger, study_id_of(ledger, name)).made_by(RESTART) & numbers
            assert found == whole.reader.made_by(RESTART)
            assert found or name != "inherit", "which was searched by local search"
