"""Which checkpoints of a study a later training can still start from; the others are deleted."""

from __future__ import annotations

from collections.abc import Sequence

from naslab.execution.promotion import may_go_on
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.study.outcome import Candidate, Outcome
from naslab.study.problem import Objective
from naslab.study.rungs import Rungs


def sweep_checkpoints(ledger: Ledger, record: StudyRecord, objectives: Sequence[Objective]) -> int:
    """Delete the checkpoints of the study `record` that nothing can start from, and half-written files; return a count.

    They are what killed workers and drivers leave behind: those of trainings that never came to the `ledger` or were
    run again, and those that were done with when a driver died. `objectives` decide what may be promoted. For the
    driver of the study alone, while none of its workers trains. Other studies have their own folders. Raises
    `LedgerError` where the disk refuses.
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
    """The content hashes of the checkpoints that a study of these `outcomes` and candidates `in_flight` must keep.

    Those that candidates in flight start from; of networks with a result that may be promoted (by `rungs` and
    `objectives`), now or when more trials are asked for; of the last rung, the weights of what was found; and where
    candidates `inherit`, of every network with a result, since any may become a parent.
    """
    kept = {each.estimate.weights_sha256 for each in outcomes if is_of_use(each, objectives, rungs, inherit)}
    promoted = set() if inherit else {each.candidate.start_from for each in outcomes}
    return (kept - promoted | {each.start_from for each in in_flight}) - {""}


def is_of_use(outcome: Outcome, objectives: Sequence[Objective], rungs: Rungs | None, inherit: bool) -> bool:
    """Whether a later training can start from the checkpoint that `outcome` left, unless one already did.

    `objectives`, `rungs` and `inherit` are those of `needed_checkpoints`.
    """
    rung = None if rungs is None else rungs.rung_of(outcome.candidate.fidelity)
    if inherit or rungs is None or rung is None or rung == rungs.top:
        return outcome.is_complete
    return may_go_on(outcome, objectives)
