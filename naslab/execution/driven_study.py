"""What a driver writes into the ledger of its study: a server that does not answer for a while is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from naslab.errors import StudyError, UnreachedError
from naslab.execution.events import LedgerNoted, Observer
from naslab.ledger.driven import are_finished, are_scored, are_started, claim_again
from naslab.ledger.ledger import Ledger
from naslab.ledger.scores import Score, enter_scores
from naslab.study.outcome import Candidate, Outcome

PATIENCE_SECONDS = 300.0
"""How long a server is waited for, by a driver and by workers that joined by it."""
LOOK_SECONDS = 0.5
"""How often it is tried again."""

Value = TypeVar("Value")


class DrivenStudy:
    """The `study` of `ledger`, which this thread drives.

    Where the server does not answer it is tried again for five minutes, and the study claimed once more: each training
    goes on meanwhile, and what is written is there once. `on_event` is told. `is_interrupted` says whether to wait no
    longer. Raises `StudyError` where another program drove the study in between.
    """

    def __init__(self, ledger: Ledger, study: str, on_event: Observer, is_interrupted: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._study = study
        self._on_event = on_event
        self._is_interrupted = is_interrupted
        self._runs = ledger.runs(study)

    def start(self, candidates: Sequence[Candidate]) -> None:
        """Enter candidates as in flight (`Ledger.start`)."""
        told = (self._ledger, self._study, candidates)
        self.patiently(partial(self._ledger.start, self._study, candidates), partial(are_started, *told))

    def finish(self, done: Sequence[Outcome]) -> None:
        """Enter outcomes, all in one transaction (`Ledger.finish_all`)."""
        is_done = partial(are_finished, self._ledger, self._study, done)
        if len(done) == 1:
            self.patiently(partial(self._ledger.finish, self._study, done[0]), is_done)
        else:
            self.patiently(partial(self._ledger.finish_all, self._study, done), is_done)

    def enter_scores(self, scores: Sequence[Score]) -> None:
        """Enter scores of a prior (`naslab.ledger.scores`)."""
        told = (self._ledger, self._study, scores)
        self.patiently(partial(enter_scores, *told), partial(are_scored, *told))

    def patiently(self, ask: Callable[[], Value], is_done: Callable[[], bool] = lambda: False) -> Value | None:
        """What `ask` returns, tried again while the server does not answer; `None` where `is_done` says that it was.

        A connection that is lost as it commits does not tell whether that was done.
        """
        try:
            return ask()
        except UnreachedError as error:
            self._on_event(LedgerNoted(f"{error}; trying again for {PATIENCE_SECONDS / 60:g} minutes"))
        began = time.monotonic()
        while True:
            try:
                claim_again(self._ledger, self._study)
                self._require_undriven_since()
                found = None if is_done() else ask()
            except UnreachedError:
                if self._is_interrupted() or time.monotonic() > began + PATIENCE_SECONDS:
                    raise
                time.sleep(LOOK_SECONDS)
                continue
            seconds = time.monotonic() - began
            self._on_event(LedgerNoted(f"ledger {self._ledger.location} answers again after {seconds:.0f} s"))
            return found

    def _require_undriven_since(self) -> None:
        if self._ledger.runs(self._study) != self._runs:
            raise StudyError(
                f"study '{self._study}' was driven by another program while {self._ledger.location} could not be "
                "reached: run the same command again, it goes on from what is there now"
            )
