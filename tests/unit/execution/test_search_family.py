"""A family of networks joins a study: numbers of its own, each trained once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_search import Counting, Halt, Instant, numbered_problem, numbered_study

from naslab.execution.events import Ended, Event, Resumed
from naslab.execution.search import run_candidates, run_search
from naslab.execution.source import ListSource, make_candidate
from naslab.study.outcome import Estimate, Failure


def family(*widths: int) -> ListSource:
    problem = numbered_problem()
    archs = [problem.space.decode(proposal.genome) for proposal in Counting().ask(max(widths))]
    return ListSource(
        [make_candidate(archs[width - 1], 0, 2, 7, "family", origin={"phi": float(width)}) for width in widths]
    )


def test_a_family_joins_the_study_under_numbers_of_its_own_and_is_trained_once(tmp_path: Path) -> None:
    strategy, first, second = Counting(), Instant(), Instant()
    with numbered_study(tmp_path) as ledger:
        run_search("numbered", ledger, strategy, Instant(), numbered_problem(), 2, 7, 4)
        run_candidates("numbered", ledger, first, family(1, 2, 3, 2))
        run_candidates("numbered", ledger, second, family(2, 3, 4))
        members = ledger.outcomes("numbered", role="family")
        third = Instant()
        run_search("numbered", ledger, Counting(), third, numbered_problem(), 2, 7, 6)
    assert sorted(first.submitted) == [4, 5, 6]
    assert second.submitted == [7]
    assert sorted(outcome.candidate.origin["phi"] for outcome in members) == [1.0, 2.0, 3.0, 4.0]
    assert third.submitted == [8, 9]
    assert len(strategy.told) == 4


def test_a_family_continues_and_its_failed_members_run_again(tmp_path: Path) -> None:
    failing = Instant(answer=lambda _: Estimate(failure=Failure("timed_out", "too long")))
    with numbered_study(tmp_path) as ledger:
        with pytest.raises(InterruptedError):
            run_candidates("numbered", ledger, Instant(), family(1, 2, 3), Halt(after=1))
        [left] = ledger.in_flight("numbered")
        run_candidates("numbered", ledger, failing, family(1, 2, 3))
        again = Instant()
        events: list[Event] = []
        run_candidates("numbered", ledger, again, family(1, 2, 3), events.append)
        assert ledger.in_flight("numbered") == []
    assert failing.submitted == [left.trial, 2]
    assert sorted(again.submitted) == [3, 4]
    assert events[0] == Resumed(finished=1, requeued=0)
    assert events[-1] == Ended(finished=3, failed=0)
