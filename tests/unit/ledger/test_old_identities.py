"""Studies of a program that told networks apart by how they are written open and continue, and train none again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tiny_search import Instant

from naslab.arch import arch_id
from naslab.errors import StudyError
from naslab.execution.events import Event, SpaceExhausted
from naslab.execution.search import run_candidates, run_search
from naslab.execution.search_source import search_source
from naslab.execution.source import ListSource, job, make_candidate
from naslab.ledger import Ledger
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Candidate, Estimate, Fidelity, Outcome
from naslab.study.problem import Problem

DUMP = Path(__file__).parents[2] / "ledgers" / "equal_networks.sql"
NUM_NETWORKS = 9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the dump."""
    path = tmp_path / "studies.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DUMP.read_text(encoding="utf-8"))
    return path


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path, create=False) as opened:
        yield opened


def problem_of(ledger: Ledger, study: str) -> Problem:
    return msgspec.convert(ledger.study(study).problem, Problem)


def run(ledger: Ledger, study: str, trials: int) -> list[Event]:
    """Continue a study towards so many trials; every training is good."""
    ledger.set_trials(study, trials)
    record, problem = ledger.study(study), problem_of(ledger, study)
    strategy = make_strategy(record.strategy, problem, record.seed)
    events: list[Event] = []
    source = search_source(strategy, problem, record, ledger)
    run_candidates(study, ledger, Instant(1, trained), source, events.append)
    return events


def trained(candidate: Candidate) -> Estimate:
    return Estimate(measured={"accuracy": 50.0 + candidate.trial})


def networks(outcomes: list[Outcome]) -> list[tuple[str, Fidelity]]:
    return [(each.candidate.arch_id, each.candidate.fidelity) for each in outcomes]


def test_networks_have_the_identity_of_today(ledger: Ledger, path: Path) -> None:
    outcomes = ledger.outcomes("plain")
    assert [each.candidate.arch_id for each in outcomes] == [arch_id(each.candidate.arch) for each in outcomes]
    with closing(sqlite3.connect(path)) as connection:
        entered = dict(connection.execute("SELECT trial, arch_id FROM trials WHERE study_id = 2"))
    assert len(set(entered.values())) == 9, "the old program took these to be nine networks"
    assert len({each.candidate.arch_id for each in outcomes}) == 5
    assert {each.candidate.arch_id for each in outcomes}.isdisjoint(entered.values())


def test_a_study_continues_without_training_a_network_again(ledger: Ledger) -> None:
    before = {each.candidate.arch_id for each in ledger.outcomes("plain")}
    events = run(ledger, "plain", trials=30)
    outcomes = ledger.outcomes("plain")
    added = [each.candidate.arch_id for each in outcomes[8:]]
    assert outcomes[8].candidate.trial == 8, "the trial that was in flight is finished"
    assert len(set(added)) == len(added)
    assert before.isdisjoint(added)
    assert len(before | set(added)) == NUM_NETWORKS
    assert [each for each in events if isinstance(each, SpaceExhausted)] == [SpaceExhausted(len(outcomes), 30)]
    assert ledger.in_flight("plain") == []


def test_a_network_in_flight_whose_equal_is_finished_is_left(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM measurements WHERE study_id = 2 AND trial = 6")
        connection.execute("DELETE FROM outcomes WHERE study_id = 2 AND trial = 6")
        connection.commit()
    with Ledger.open(path, create=False) as ledger:
        [equal, other] = ledger.in_flight("plain")
        assert job(equal) in {job(each.candidate) for each in ledger.outcomes("plain")}
        run(ledger, "plain", trials=9)
        jobs = [job(each.candidate) for each in ledger.outcomes("plain")][7:]
        assert [each.trial for each in ledger.in_flight("plain")] == [6]
        assert jobs[0] == job(other)
        assert len(set(jobs)) == len(jobs) == 2


def test_rungs_go_on_and_promote_no_network_twice(ledger: Ledger) -> None:
    before = networks(ledger.outcomes("rungs"))
    events = run(ledger, "rungs", trials=30)
    outcomes = networks(ledger.outcomes("rungs"))
    added = outcomes[len(before) :]
    assert set(added).isdisjoint(before)
    assert len(set(added)) == len(added)
    assert len({network for network, _ in outcomes}) == NUM_NETWORKS
    promoted = sum(fidelity.epochs == 2 for _, fidelity in outcomes)
    [exhausted] = [each for each in events if isinstance(each, SpaceExhausted)]
    assert (exhausted.number, exhausted.total) == (len(outcomes), 30 + promoted)


def test_given_networks_are_known_again(ledger: Ledger) -> None:
    problem, record = problem_of(ledger, "plain"), ledger.study("plain")
    asked = [
        make_candidate(problem.space.decode(genome), 0, record.epochs, record.seed, "search")
        for genome in problem.space.enumerate()
    ]
    known = {job(each.candidate) for each in ledger.outcomes("plain")}
    run_candidates("plain", ledger, Instant(1, trained), ListSource(asked))
    jobs = [job(each.candidate) for each in ledger.outcomes("plain")][8:]
    assert set(jobs).isdisjoint(known)
    assert len(jobs) == len(set(jobs)) == NUM_NETWORKS - len(known)


def test_a_trial_entered_under_an_old_identity_takes_its_own_network_alone(ledger: Ledger) -> None:
    [candidate] = ledger.in_flight("plain")
    other = ledger.outcomes("plain")[0].candidate
    wrong = msgspec.structs.replace(other, trial=candidate.trial)
    with pytest.raises(StudyError, match=f"with network {candidate.arch_id}, finished with {other.arch_id}"):
        ledger.finish("plain", Outcome(candidate=wrong, estimate=Estimate()))
    ledger.finish("plain", Outcome(candidate=candidate, estimate=Estimate()))
    with pytest.raises(StudyError, match="is finished already"):
        ledger.finish("plain", Outcome(candidate=candidate, estimate=Estimate()))


def test_a_network_that_is_refused_today_keeps_its_identity(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        narrow = '{"input":[1,8,8],"stages":[{"block":{"type":"conv","padding":0,"kernel":9}}],"num_classes":10}'
        connection.execute("UPDATE trials SET arch = ? WHERE study_id = 2 AND trial = 0", (narrow,))
        connection.commit()
    with Ledger.open(path, create=False) as ledger:
        assert ledger.outcomes("plain")[0].candidate.arch_id == "a83ca0042f4dd062"


def test_a_search_of_more_trials_than_networks_trains_each_once(tmp_path: Path, ledger: Ledger) -> None:
    problem, record = problem_of(ledger, "plain"), ledger.study("plain")
    events: list[Event] = []
    with Ledger.open(tmp_path / "new.db") as new:
        new.create_study(record)
        strategy = make_strategy("random", problem, 0)
        run_search("plain", new, strategy, Instant(1, trained), problem, 1, 0, 20, events.append)
        found = [each.candidate.arch_id for each in new.outcomes("plain")]
    assert len(found) == len(set(found)) == NUM_NETWORKS
    assert [each for each in events if isinstance(each, SpaceExhausted)] == [SpaceExhausted(NUM_NETWORKS, 20)]
