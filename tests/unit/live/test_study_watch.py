"""A study followed in memory: what counts, and that it is still the study that it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from made_studies import START, made_problem, made_study

from naslab.errors import StudyError
from naslab.execution.source import make_candidate
from naslab.ledger import Ledger, RunRecord, StudyRecord
from naslab.live import watch as watching
from naslab.live.app import Studies
from naslab.live.watch import StudyWatch
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Estimate, Outcome
from naslab.study.rungs import Rungs


def study_with_rungs(ledger: Ledger, networks: int, promoted: int, trials: int) -> None:
    """A study `rungs`: a training of ten seconds for each of `networks`, and another one for each of `promoted`."""
    problem, rungs = made_problem(), Rungs((1, 3))
    given = {"problem": msgspec.to_builtins(problem), "strategy": "random", "epochs": 3, "seed": 0, "trials": trials}
    ledger.create_study(StudyRecord(name="rungs", created=START, rungs=rungs, **given))
    ledger.add_run("rungs", RunRecord(command="naslab search", started=START))
    genomes = [each.genome for each in make_strategy("random", problem, seed=0).ask(networks)]
    trainings = [(genome, rung) for index, genome in enumerate(genomes) for rung in range(1 + (index < promoted))]
    for trial, (genome, rung) in enumerate(trainings):
        made = make_candidate(problem.space.decode(genome), trial, 1, 0, "search", genome, {})
        candidate = msgspec.structs.replace(made, fidelity=rungs.fidelity(rung))
        estimate = Estimate(measured={"accuracy": 50.0 + trial}, wall_seconds=10)
        ledger.start("rungs", [candidate])
        ledger.finish("rungs", Outcome(candidate=candidate, estimate=estimate, finished=START + 10 * (trial + 1)))


def test_trainings_on_a_higher_rung_are_no_more_networks(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        study_with_rungs(ledger, networks=8, promoted=8, trials=12)
        watch = StudyWatch(ledger, 1)
        watch.poll()
    assert (watch.num_done, watch.state) == (8, "stopped")
    assert watch.pace().per_hour == pytest.approx(180)
    assert watch.pace().seconds_left == pytest.approx(80)


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ledger, Studies]]:
    """A ledger with the finished study `one`, and what pages ask; both are asked anew each time."""
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watching, "MEASURED_SECONDS", 0.0)
    with Ledger.open(tmp_path / "l.db") as ledger, Ledger.watch(tmp_path / "l.db") as watched:
        made_study(ledger, "one", trials=6)
        found = Studies(watched)
        found.watch(1)
        yield ledger, found


def test_a_study_that_is_gone_is_said_to_be_gone_each_time(studies: tuple[Ledger, Studies]) -> None:
    ledger, found = studies
    ledger.delete_study("one")
    for _ in range(3):
        with pytest.raises(StudyError, match="no longer in the ledger"):
            found.watch(1)


def test_another_study_under_the_same_number_is_read_anew(studies: tuple[Ledger, Studies]) -> None:
    ledger, found = studies
    before = found.watch(1).version
    ledger.delete_study("one")
    record = StudyRecord(
        name="one",
        problem=msgspec.to_builtins(made_problem()),
        strategy="random",
        epochs=1,
        seed=0,
        trials=6,
        created=START + 1,
    )
    ledger.create_study(record)
    again = found.watch(1)
    assert (again.num_done, again.outcomes, again.state) == (0, [], "stopped")
    assert again.version > before


def test_another_name_and_another_total_are_shown(studies: tuple[Ledger, Studies]) -> None:
    ledger, found = studies
    before = found.watch(1).version
    ledger.rename_study("one", "other")
    ledger.set_trials("other", 9)
    watch = found.watch(1)
    assert (watch.record.name, watch.record.trials, watch.state) == ("other", 9, "stopped")
    assert watch.version > before
    assert watch.poll() == watch.version


def test_what_is_measured_afterwards_is_shown(studies: tuple[Ledger, Studies]) -> None:
    ledger, found = studies
    before = found.watch(1).version
    assert found.watch(1).version == before
    ledger.add_measured("one", [3], {"latency_ms": 1.5}, {})
    watch = found.watch(1)
    assert watch.version > before
    assert watch.outcomes[3].estimate.measured["latency_ms"] == 1.5
    assert found.watch(1).version == watch.version


def test_a_list_asks_only_for_studies_that_changed(
    studies: tuple[Ledger, Studies], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, found = studies
    made_study(ledger, "two", seed=1, trials=4)
    asked: list[int] = []
    poll = StudyWatch.poll
    monkeypatch.setattr(StudyWatch, "poll", lambda watch, **how: asked.append(watch.study_id) or poll(watch, **how))
    before = found.rows()
    assert (found.rows(), asked) == (before, [1, 2])
    ledger.set_trials("two", 9)
    assert [each["trials"] for each in found.rows()] == [6, 9]
    assert asked == [1, 2, 2]


def test_a_large_study_is_read_in_parts_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        made_study(ledger, "one", trials=14, failing=(2,))
    with Ledger.watch(tmp_path / "l.db") as ledger:
        whole, parts = StudyWatch(ledger, 1), StudyWatch(ledger, 1)
        whole.poll()
        monkeypatch.setattr(watching, "MOST_AT_FIRST", 3)
        monkeypatch.setattr(watching, "MOST_AT_ONCE", 4)
        parts.poll()
        assert (len(parts.outcomes), parts.has_more) == (3, True)
        with parts.lock:
            seen = parts.version
        parts.poll()
        assert parts.version > seen
        assert (len(parts.outcomes), parts.has_more) == (7, True)
        parts.progress_table()
        parts.poll_whole()
        assert not parts.has_more
        assert parts.progress_table() == whole.progress_table()
        assert parts.front_trials() == whole.front_trials()
        assert parts.num_done == whole.num_done
