"""Logger: an observer of a run that writes each finished trial as the ledger has it."""

from __future__ import annotations

import math
from hashlib import sha256
from types import TracebackType
from typing import Any, Protocol

import msgspec

from naslab.analysis.front import metrics_of
from naslab.analysis.labels import label_of
from naslab.arch.summary import describe_arch
from naslab.errors import StudyError, counted
from naslab.execution.events import Event, StudyOpened, TrialFinished
from naslab.study.outcome import EpochRecord, Outcome


class LoggedTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A finished trial of `study` as it is written elsewhere.

    `label` is what reports call it, `texts` are words about it by name, `metrics` what it costs and what was measured,
    finite numbers alone, and `curve` the same of each epoch, with the epoch's number. `finished` is in seconds since
    1970, `failure` says why it has no result, empty where it has one.
    """

    study: str
    trial: int
    label: str
    texts: dict[str, str]
    metrics: dict[str, float]
    curve: tuple[tuple[int, dict[str, float]], ...]
    finished: float
    failure: str = ""

    @classmethod
    def of(cls, study: str, outcome: Outcome) -> LoggedTrial:
        """The trial of an `outcome` of `study`."""
        candidate, failure = outcome.candidate, outcome.estimate.failure
        texts: dict[str, Any] = {
            "role": candidate.role,
            "epochs": candidate.fidelity.epochs,
            "arch_id": candidate.arch_id,
            "network": "; ".join(describe_arch(candidate.arch)),
            **{f"origin.{name}": value for name, value in candidate.origin.items()},
        }
        return cls(
            study=study,
            trial=candidate.trial,
            label=label_of(outcome),
            texts={name: str(value) for name, value in texts.items()},
            metrics={name: value for name, value in metrics_of(outcome).items() if math.isfinite(value)},
            curve=tuple((each.epoch, _epoch_values(each)) for each in outcome.estimate.curve),
            finished=outcome.finished,
            failure="" if failure is None else f"{failure.reason}: {failure.message}",
        )


class Destination(Protocol):
    """Where trials are written: one file each in this room, and a row in the registry.

    One thread, that of the search, asks once for what is `written` of a study, then has trials written in the order in
    which they finished, and closes at the end, also after an error. Any error may be raised: by `written` it ends the
    run before anything is trained; after one of `write` the search goes on, the trial is tried again before the next
    one, and at the end the user is told what is missing.

    >>> from naslab.execution.source import make_candidate
    >>> from naslab.study.outcome import Estimate
    >>> from naslab.zoo import model
    >>> class Lines:  # of text, in memory
    ...     def __init__(self):
    ...         self.lines = {}
    ...     def written(self, study):
    ...         return {trial for written_study, trial in self.lines if written_study == study}
    ...     def write(self, trial):
    ...         self.lines[trial.study, trial.trial] = f"trial {trial.trial}: {trial.metrics['accuracy']} %"
    ...     def close(self):
    ...         pass
    >>> candidate = make_candidate(model("lenet5"), trial=0, epochs=1, seed=0, role="search")
    >>> outcome = Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": 91.5}))
    >>> lines = Lines()
    >>> with Logger(lines) as logger:  # whose `show` a search takes as `on_event`
    ...     logger.show(TrialFinished(outcome, number=1, total=1))
    >>> list(lines.lines.values())
    ['trial 0: 91.5 %']
    """

    def written(self, study: str) -> set[int]:
        """The numbers of the trials of `study` that are there already and whole, of earlier runs too.

        One whose writing broke off is not among them, and is written anew.
        """
        ...

    def write(self, trial: LoggedTrial) -> None:
        """Write a `trial` that is not there yet, whole before this returns."""
        ...

    def close(self) -> None:
        """Release what is open; nothing more comes."""
        ...


class Logger:
    """Writes finished trials to a `destination`, also those of before that it does not have yet; `show` is told events.

    It is a context, which closes the destination. A destination that cannot be read as a run begins ends it by a
    `StudyError`. A trial that cannot be written is tried again with the next one, so that no search ends for it; at the
    end `StudyError` says how many are missing.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._study = ""
        self._written: set[int] = set()
        self._waiting: list[LoggedTrial] = []
        self._failure: Exception | None = None

    def show(self, event: Event) -> None:
        """Take up an `event` of a run: an observer, as `on_event` takes them.

        Raises `StudyError` where a study opens whose log cannot be read.
        """
        if isinstance(event, StudyOpened):
            self._study = event.record.name
            try:
                self._written = self._destination.written(self._study)
            except Exception as error:  # noqa: BLE001 - the packages' own; a trace would show the address, password and all
                raise StudyError(
                    f"what is logged of study '{self._study}' could not be read ({_words(error)}); nothing was "
                    "trained: put the address of --log right, or leave it out and give it when the study goes on"
                ) from None
            for outcome in event.outcomes:
                self._write(outcome)
        elif isinstance(event, TrialFinished):
            self._write(event.outcome)

    def _write(self, outcome: Outcome) -> None:
        if outcome.candidate.trial in self._written:
            return
        self._written.add(outcome.candidate.trial)
        self._waiting.append(LoggedTrial.of(self._study, outcome))
        while self._waiting:
            try:
                self._destination.write(self._waiting[0])
            except Exception as error:  # noqa: BLE001 - a search does not end for a server; told at the end
                self._failure = error
                return
            self._waiting.pop(0)

    def __enter__(self) -> Logger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told = ""
        if self._waiting:
            count = len(self._waiting)
            told = (
                f"{counted(count, 'trial')} of study '{self._study}' could not be logged "
                f"({_words(self._failure)}); they are in the ledger, and the same command again logs them"
            )
        try:
            self._destination.close()
        except Exception as failure:  # noqa: BLE001 - a run that ends by an error of its own tells that one
            told = told or f"the log of study '{self._study}' could not be closed ({_words(failure)})"
        if told and error is None:
            raise StudyError(told)


def folder_of(study: str) -> str:
    """The name of a study as that of one folder, another one for each study.

    >>> folder_of("digits demo"), folder_of("a/b"), folder_of("a:b")
    ('digits demo', 'a_b-c14cddc0', 'a_b-6783a31e')
    """
    plain = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in study).strip(". ") or "study"
    return plain if plain == study else f"{plain}-{sha256(study.encode()).hexdigest()[:8]}"


def _words(failure: Exception | None) -> str:
    return f"{type(failure).__name__}: {failure}"


def _epoch_values(epoch: EpochRecord) -> dict[str, float]:
    """What an epoch says, finite numbers alone."""
    told = {
        "train_loss": epoch.train_loss,
        "validation_loss": epoch.validation_loss,
        "validation_accuracy": epoch.validation_accuracy,
        **epoch.values,
    }
    return {name: value for name, value in told.items() if math.isfinite(value)}
