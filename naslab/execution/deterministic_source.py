"""Studies that are equal whatever the number of workers: outcomes are told in the order of trials, at fixed moments."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from naslab.execution.source import CandidateSource, Resumption, WrappedSource
from naslab.study.outcome import Candidate, Outcome

AHEAD = 8
"""How many candidates at most are proposed whose outcomes are not told yet: so many workers have something to do."""
TOLD = "told"
"""Where a candidate's origin keeps how many outcomes had been told when it was proposed."""


class DeterministicSource(WrappedSource):
    """The candidates of `source`, which is told outcomes in the order of their trials.

    A candidate is proposed knowing the outcomes of all trials but the last `AHEAD` before it, or fewer where `source`
    waits for more. Outcomes that come earlier are kept back, so that neither the number of workers nor the order in
    which they finish has a say, and a resumed study goes on as if it had never stopped: a candidate's origin holds how
    many outcomes were told before it.
    """

    def __init__(self, source: CandidateSource) -> None:
        super().__init__(source)
        self._untold: deque[int] = deque()
        """The trials whose outcomes are not told, in order."""
        self._kept_back: dict[int, Outcome] = {}
        self._num_told = 0

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        finished = {each.candidate.trial: each for each in outcomes if each.candidate.role == "search"}
        left = {each.trial: each for each in in_flight if each.role == "search"}
        started = {trial: each.candidate for trial, each in finished.items()} | left
        order = sorted(started)
        self._num_told = max((int(each.origin.get(TOLD, 0)) for each in started.values()), default=0)
        told, untold = order[: self._num_told], order[self._num_told :]
        resumed = self._source.resume([finished[trial] for trial in told], [started[trial] for trial in untold])
        goes_on = {each.trial for each in resumed.requeued}
        self._untold.extend(trial for trial in untold if trial in goes_on)
        self._kept_back = {trial: finished[trial] for trial in self._untold if trial in finished}
        requeued = [left[trial] for trial in self._untold if trial in left]
        return Resumption([each for each in outcomes if each.candidate.trial in finished], requeued)

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        proposed: list[Candidate] = []
        while len(proposed) < count:
            fresh = self._source.propose(1, first_trial + len(proposed)) if len(self._untold) < AHEAD else []
            for candidate in fresh:
                origin = {**candidate.origin, TOLD: self._num_told}
                proposed.append(msgspec.structs.replace(candidate, origin=origin))
                self._untold.append(candidate.trial)
            if not fresh and not self._tell_next():
                break
        return proposed

    def learn(self, outcome: Outcome) -> None:
        self._kept_back[outcome.candidate.trial] = outcome

    def _tell_next(self) -> bool:
        """Tell the outcome of the oldest trial that is not told; whether it is there."""
        if not self._untold or self._untold[0] not in self._kept_back:
            return False
        self._source.learn(self._kept_back.pop(self._untold.popleft()))
        self._num_told += 1
        return True
