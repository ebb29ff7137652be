"""What happens during a run, for a live display: small values given to its observer in order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import msgspec

from naslab.ledger.record import StudyRecord
from naslab.passwords import without_passwords
from naslab.study.outcome import Candidate, EpochRecord, Failure, Outcome
from naslab.study.problem import Problem


class StudyOpened(msgspec.Struct, frozen=True):
    """A study was made, or taken up with the `outcomes` of its search so far; its workers start.

    `adapted` says how the space was made to fit the data, empty where it did already.
    """

    record: StudyRecord
    problem: Problem
    outcomes: Sequence[Outcome] = ()
    adapted: str = ""


class StudyRestarted(msgspec.Struct, frozen=True):
    """A study without an outcome was begun anew as another search; `difference` says what is another."""

    study: str
    difference: str


class VersionChanged(msgspec.Struct, frozen=True):
    """A study goes on with another version of naslab, `now`, than the one that last drove it, `before`."""

    study: str
    before: str
    now: str


class StrategyChosen(msgspec.Struct, frozen=True):
    """The strategy was left to naslab: the one that it took, and why."""

    strategy: str
    reason: str


class TrialsReached(msgspec.Struct, frozen=True):
    """The study has more trials `finished` than the `asked` ones: nothing new is begun, what is finished is kept."""

    finished: int
    asked: int


class PriorScored(msgspec.Struct, frozen=True):
    """Networks of the pool were scored by the prior: `number` of `total` by now, `failed` ones among them."""

    number: int
    total: int
    failed: int


class Resumed(msgspec.Struct, frozen=True):
    """The study goes on: `finished` candidates are kept, `requeued` were in flight and run again."""

    finished: int
    requeued: int


class TrialStarted(msgspec.Struct, frozen=True):
    """A candidate was entered in the ledger and given to a worker."""

    candidate: Candidate


class TrialTaken(msgspec.Struct, frozen=True):
    """A `worker` on the machine `node` began to estimate a candidate."""

    candidate: Candidate
    worker: str
    node: str


class EpochEnded(msgspec.Struct, frozen=True):
    """An epoch of a candidate that is still training."""

    candidate: Candidate
    epoch: EpochRecord


class LinePrinted(msgspec.Struct, frozen=True):
    """A line of `text` that the code of a candidate in a worker printed."""

    candidate: Candidate
    text: str


class NodeChanged(msgspec.Struct, frozen=True):
    """A line of `text` about a machine of a cluster: it joined, left, is left out and why, or its clock is off."""

    text: str


class LedgerNoted(msgspec.Struct, frozen=True):
    """A line of `text` about the server of the ledger: it does not answer and is tried again, or it answers again."""

    text: str


class TrialRetried(msgspec.Struct, frozen=True):
    """A candidate's worker died; the candidate runs once more."""

    candidate: Candidate
    failure: Failure


class TrialFinished(msgspec.Struct, frozen=True):
    """An outcome is in the ledger: the `number`th of `total`, earlier lives of the study counted in."""

    outcome: Outcome
    number: int
    total: int


class SpaceExhausted(msgspec.Struct, frozen=True):
    """The space holds no more networks that meet the limits: the run ends with `number` of `total` trials."""

    number: int
    total: int


class TimeIsUp(msgspec.Struct, frozen=True):
    """The study was searched for the `hours` asked for: nothing new is started."""

    hours: float


class Interrupted(msgspec.Struct, frozen=True):
    """Ctrl-C: what is in flight stays so in the ledger, and the same command continues from there."""

    in_flight: int


class Ended(msgspec.Struct, frozen=True):
    """The run has nothing left to do; `failed` of `finished` candidates have no result."""

    finished: int
    failed: int


Event = (
    StudyOpened
    | StudyRestarted
    | VersionChanged
    | StrategyChosen
    | TrialsReached
    | Resumed
    | TrialStarted
    | TrialTaken
    | EpochEnded
    | LinePrinted
    | NodeChanged
    | LedgerNoted
    | TrialRetried
    | TrialFinished
    | SpaceExhausted
    | TimeIsUp
    | PriorScored
    | Interrupted
    | Ended
)
Observer = Callable[[Event], None]


def tell_prints(event: Event) -> None:
    """Write what candidates print to stderr, each line behind its trial; the observer of searches without a display."""
    if isinstance(event, LinePrinted):
        print(printed_line(event), file=sys.stderr)


def printed_line(event: LinePrinted) -> str:
    """A printed line as it is shown, without what would move a terminal's cursor.

    >>> printed_line(LinePrinted(candidate, "loss 0.5"))  # doctest: +SKIP
    'trial 3 | loss 0.5'
    """
    text = "".join(each if each.isprintable() or each == "\t" else "\N{REPLACEMENT CHARACTER}" for each in event.text)
    return without_passwords(f"trial {event.candidate.trial} | {text}")


def each_of(*observers: Observer) -> Observer:
    """An observer that tells each of `observers`, in their order."""

    def tell(event: Event) -> None:
        for each in observers:
            each(event)

    return tell


def ignore(_: Event) -> None:
    """The observer that does nothing."""
