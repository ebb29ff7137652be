"""Ending a run whose first trials all fail in the same way: by the user's code, and not by the networks."""

from __future__ import annotations

from collections.abc import Sequence

from naslab.errors import StudyError
from naslab.execution.source import CandidateSource, Resumption, WrappedSource
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Candidate, Failure, Outcome

FIRST_TRIALS = 3


class FirstFailuresSource(WrappedSource):
    """The candidates of `source`, until the first three outcomes of a study are failures by one exception.

    `learn` then raises `StudyError`. They are in the ledger by that time, and a run that goes on with the study, the
    user's code mended, has three trials again.
    """

    def __init__(self, source: CandidateSource) -> None:
        super().__init__(source)
        self._first: list[Failure] = []
        self._is_over = False

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        self._is_over = bool(FinishedTrials.of(outcomes).is_complete.any())
        return self._source.resume(outcomes, in_flight)

    def learn(self, outcome: Outcome) -> None:
        """Pass on `outcome`, which is in the ledger by now. Raises `StudyError` where the first three failed alike."""
        self._source.learn(outcome)
        failure = outcome.estimate.failure
        self._is_over = self._is_over or failure is None or failure.reason not in ("error", "invalid")
        if self._is_over or failure is None:
            return
        self._first.append(failure)
        if len({place_of(each) for each in self._first}) > 1:
            self._is_over = True
        elif len(self._first) == FIRST_TRIALS:
            mend = "the same command again" if self.total > FIRST_TRIALS else "it again with more trials: these count"
            raise StudyError(
                f"the first {FIRST_TRIALS} trials failed alike: {failure.message}"
                f"{f' ({place_of(failure)})' if failure.traceback else ''}; mend that and run {mend}"
            )


def place_of(failure: Failure) -> str:
    """Where a failure was raised: the last line of its traceback, which is the user's code; else its message.

    >>> place_of(Failure("error", "KeyError: 'a'", 'Traceback\\n  File "mine.py", line 3, in f\\n    x["a"]'))
    'mine.py, line 3, in f'
    """
    lines = [each.strip() for each in failure.traceback.splitlines() if each.strip().startswith('File "')]
    return lines[-1].replace('File "', "").replace('"', "", 1) if lines else failure.message
