"""Scoring a pool of networks by the prior of a search: in its workers, each score in the ledger at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from naslab.execution.events import Observer, PriorScored, ignore
from naslab.execution.executor import Executor, Finished
from naslab.ledger.ledger import Ledger
from naslab.ledger.scores import Score, enter_scores, scores_of
from naslab.study.outcome import Candidate, Outcome

WAIT_SECONDS = 0.2
SCORED_BY = "scored_by"
"""Where the origin of a network of the pool keeps the names of the estimators that are to score it."""


def score_pool(
    study: str, ledger: Ledger, executor: Executor, candidates: Sequence[Candidate], on_event: Observer = ignore
) -> None:
    """Score `candidates`, networks of the pool that have no scores yet, by what `executor` runs, and nothing beside.

    Their scores lie in the `study` of `ledger` as soon as a worker has told them, so that the same call goes on where
    it was interrupted; `on_event` hears how many there are. A candidate whose worker dies is asked once more, and has
    no scores if that dies, too.
    """
    waiting, again = deque(candidates), set[int]()
    in_flight: dict[int, Candidate] = {}
    number, failed = 0, 0
    while waiting or in_flight:
        while waiting and len(in_flight) < executor.num_slots:
            candidate = waiting.popleft()
            in_flight[candidate.trial] = candidate
            executor.submit(candidate)
        done: list[Score] = []
        for event in executor.wait(WAIT_SECONDS):
            if not isinstance(event, Finished):
                continue
            trial = event.candidate.trial
            del in_flight[trial]
            died = event.estimate.failure is not None and event.estimate.failure.reason == "worker_died"
            if died and trial not in again:
                again.add(trial)
                waiting.append(event.candidate)
                continue
            found = scores_from(Outcome(candidate=event.candidate, estimate=event.estimate, finished=time.time()))
            number, failed = number + 1, failed + any(each.score is None for each in found)
            done += found
        if done:
            enter_scores(ledger, study, done)
            on_event(PriorScored(number, len(candidates), failed))


def scores_from(outcome: Outcome) -> list[Score]:
    """The scores of a network of the pool, out of what `ScoresOf` told as the estimate of `outcome`."""
    estimate, names = outcome.estimate, outcome.candidate.origin[SCORED_BY]
    failures, seconds = (dict(estimate.notes.get(key, {})) for key in ("failures", "seconds"))
    if estimate.failure is not None:
        failures = dict.fromkeys(names, estimate.failure.message)
    return [
        Score(
            prior=name,
            arch_id=outcome.candidate.arch_id,
            score=None if name in failures else estimate.measured[name],
            failure=failures.get(name),
            wall_seconds=float(seconds.get(name, estimate.wall_seconds)),
            finished=outcome.finished,
        )
        for name in names
    ]


def unscored(ledger: Ledger, study: str, names: Sequence[str], candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those of `candidates` that the `study` of `ledger` does not hold the scores of by all of `names`."""
    known = {(each.prior, each.arch_id) for each in scores_of(ledger, study)}
    return [each for each in candidates if not all((name, each.arch_id) in known for name in names)]
