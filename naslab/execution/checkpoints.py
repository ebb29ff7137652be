"""Which checkpoints of a study something can still begin with, and taking the others away."""

from __future__ import annotations

from collections.abc import Sequence

from naslab.execution.promotion import may_go_on
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.study.outcome import Candidate, Outcome
from naslab.study.problem import Objective
from naslab.study.rungs import Rungs


def sweep_checkpoints(ledger: Ledger, record: StudyRecord, objectives: Sequence[Objective]) -> int:
    """Take away the checkpoints of a study that nothing can begin with, and files half written; how many there were.

    They are what killed workers and drivers leave behind: those of trainings that never came to the ledger or were run
    again, and those that were done with when a driver died. For the driver of the study alone, while none of its
    workers trains. Other studies have their own folders. Raises `LedgerError` where the disk refuses.
    """
    if record.rungs is None and not record.inherit:
        return 0  # its trainings leave none
    outcomes, in_flight = ledger.outcomes(record.name), ledger.in_flight(record.name)
    needed = needed_checkpoints(outcomes, in_flight, objectives, record.rungs, record.inherit)
    return ledger.checkpoints(record.name).sweep(needed)


def needed_checkpoints(
    outcomes: Sequence[Outcome],
    in_flight: Sequence[Candidate],
    objectives: Sequence[Objective],
    rungs: Rungs | None,
    inherit: bool,
) -> set[str]:
    """The content hashes of the checkpoints that a study must keep.

    Those that candidates in flight begin with; of networks with a result that may be promoted, now or when more trials
    are asked for; of the last rung, the weights of what was found; and where candidates inherit, of every network with
    a result, since any may become a parent.
    """
    kept = {each.estimate.weights_sha256 for each in outcomes if is_of_use(each, objectives, rungs, inherit)}
    promoted = set() if inherit else {each.candidate.start_from for each in outcomes}
    return (kept - promoted | {each.start_from for each in in_flight}) - {""}


def is_of_use(outcome: Outcome, objectives: Sequence[Objective], rungs: Rungs | None, inherit: bool) -> bool:
    """Whether what an outcome left can be begun with, unless it was already."""
    rung = None if rungs is None else rungs.rung_of(outcome.candidate.fidelity)
    if inherit or rungs is None or rung is None or rung == rungs.top:
        return outcome.is_complete
    return may_go_on(outcome, objectives)
