"""What is new in a ledger since a cursor, by row id, so that a page that follows a study reads every row once.

One program alone drives a study, so the ids of its rows grow in the order in which they are written, in SQLite and in
PostgreSQL. Outcomes are read without their networks and curves, which is many times faster than whole ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, func, select

from naslab.arch import ArchSpec, ConvBlock, Stage
from naslab.arch.cost import Cost
from naslab.errors import LedgerError
from naslab.ledger.ledger import Ledger
from naslab.ledger.queries import same_trial, trial_words, whole_candidate
from naslab.ledger.rows import read_candidate, read_outcome
from naslab.ledger.running import ProgressRow, progress_columns
from naslab.ledger.tables import measurements, outcomes, progress, runs, studies, trials
from naslab.space import Genome
from naslab.study.finished import Made
from naslab.study.outcome import Candidate, Estimate, Failure, Fidelity, Outcome

NO_NETWORK = ArchSpec(input=(1, 1, 1), stages=(Stage(block=ConvBlock(), width=1),), num_classes=2)
"""Stands in outcomes that were read without their networks."""
MOST_ASKED = 400
"""Trials that are asked for in one query."""
MOST_BEHIND = 10_000
"""Up to as many outcomes of all studies behind a cursor are looked at in the order written."""


class Cursor(NamedTuple):
    """The last row ids that were read of a study: of its outcomes, and of what its trials in flight did."""

    outcome: int = 0
    progress: int = 0


class News(NamedTuple):
    """What was written since a cursor: `outcomes` without curves, rows of progress; and the next cursor."""

    outcomes: list[Outcome]
    progress: list[ProgressRow]
    cursor: Cursor


class StudyLine(NamedTuple):
    """A study in a list: its key, name, trials asked for, how many outcomes it has, and who drives it, if anybody.

    `last_outcome` and `last_run` are the row ids of its last ones, 0 without any.
    """

    study_id: int
    name: str
    trials: int
    num_outcomes: int
    driver: str
    last_outcome: int
    last_run: int


class _CandidatePart(msgspec.Struct):
    fidelity: Fidelity
    seed: int = 0
    genome: Genome = Genome()
    origin: dict[str, Any] = {}


class _MadePart(msgspec.Struct):
    genome: Genome = Genome()
    origin: dict[str, Any] = {}


class _FailurePart(msgspec.Struct):
    reason: str
    message: str = ""


class _EstimatePart(msgspec.Struct):
    measured: dict[str, float] = {}
    failure: _FailurePart | None = None
    notes: dict[str, Any] = {}
    worker: str = ""
    device: str = ""


def study_lines(ledger: Ledger) -> list[StudyLine]:
    """Every study of `ledger` in the order made."""
    of_study, last_one = outcomes.c.study_id, func.max(outcomes.c.position).label("last")
    counted = select(of_study, func.count().label("count"), last_one).group_by(of_study).subquery()
    launched = select(runs.c.study_id, func.max(runs.c.run_id).label("last")).group_by(runs.c.study_id).subquery()
    numbers = (func.coalesce(each, 0) for each in (counted.c.count, counted.c.last, launched.c.last))
    columns = select(studies.c.study_id, studies.c.name, studies.c.trials, *numbers)
    joined = columns.outerjoin(counted, counted.c.study_id == studies.c.study_id)
    found = ledger.rows(
        joined.outerjoin(launched, launched.c.study_id == studies.c.study_id).order_by(studies.c.study_id)
    )
    drivers = ledger.drivers()
    return [
        StudyLine(key, name, total, count, drivers.get(key, ""), last, run)
        for key, name, total, count, last, run in found
    ]


def study_name(ledger: Ledger, study_id: int) -> str | None:
    """The name of the study with that key now; `None` where there is none."""
    found = ledger.rows(select(studies.c.name).where(studies.c.study_id == study_id))
    return found[0][0] if found else None


def study_row_of(ledger: Ledger, study_id: int) -> tuple[str, int, str] | None:
    """The name, the trials asked for and the record as JSON of the study with that key now; `None` where it is gone."""
    found = ledger.rows(
        select(studies.c.name, studies.c.trials, studies.c.record).where(studies.c.study_id == study_id)
    )
    return (found[0][0], found[0][1], found[0][2]) if found else None


def num_measured(ledger: Ledger, study_id: int) -> int:
    """How many finite values were measured of the trials of a study: more come where one is measured afterwards."""
    rows = ledger.rows(select(func.count()).select_from(measurements).where(measurements.c.study_id == study_id))
    return int(rows[0][0])


def last_run(ledger: Ledger, study_id: int) -> int:
    """The row id of the last launch of a study, 0 without one: another one says that its runs are to be read again."""
    return int(ledger.rows(select(func.coalesce(func.max(runs.c.run_id), 0)).where(runs.c.study_id == study_id))[0][0])


def read_news(
    ledger: Ledger,
    study_id: int,
    cursor: Cursor = Cursor(),  # noqa: B008
    with_networks: bool = False,
    most: int | None = None,
) -> News:
    """What was written of the study with the key `study_id` of `ledger` since `cursor`, in the order written.

    Outcomes are `with_networks` where asked for; else every one has `NO_NETWORK`, which tells nothing of its own. Their
    curves are left out. At most `most` outcomes are read where that is given; the rest is new the next time. Raises
    `LedgerError` for a row that cannot be read.
    """
    columns = select(
        outcomes.c.position,
        trials.c.trial,
        trials.c.role,
        trials.c.arch_id,
        *(trials.c[name] for name in Cost.__struct_fields__),
        trials.c.candidate,
        outcomes.c.finished,
        outcomes.c.wall_seconds,
        outcomes.c.estimate,
        *([trials.c.arch] if with_networks else []),
    ).join_from(outcomes, trials, same_trial())
    behind = ledger.rows(select(func.coalesce(func.max(outcomes.c.position), 0)))[0][0] - cursor.outcome
    # Few outcomes behind the cursor are each asked for their study: its index would lead through all of the study.
    of_study = outcomes.c.study_id + 0 if behind <= MOST_BEHIND else outcomes.c.study_id
    new = columns.where(of_study == study_id, outcomes.c.position > cursor.outcome)
    found = ledger.rows(new.order_by(outcomes.c.position).limit(most)) if behind > 0 else []
    done = [_outcome(row, with_networks) for row in found]
    moved = progress_columns().where(progress.c.study_id == study_id, progress.c.position > cursor.progress)
    steps = ledger.rows(moved.add_columns(progress.c.position))
    last = Cursor(found[-1][0] if found else cursor.outcome, steps[-1][-1] if steps else cursor.progress)
    return News(done, [tuple(row[:-1]) for row in steps], last)


def read_outcomes(ledger: Ledger, study_id: int, numbers: Iterable[int]) -> dict[int, Outcome]:
    """The whole outcomes of the trials with these `numbers` of the study `study_id` of `ledger`, by number."""
    columns = select(*whole_candidate(), outcomes.c.finished, outcomes.c.estimate)
    columns = columns.join_from(outcomes, trials, same_trial())
    words = study_name(ledger, study_id) or ""
    found = {}
    for trial, arch, rest, told, finished, estimate in _asked(ledger, columns, study_id, list(numbers)):
        what = trial_words(words, trial)
        found[trial] = read_outcome(read_candidate(arch, rest, what, told), finished, estimate, what)
    return found


def read_candidates(ledger: Ledger, study_id: int, numbers: Iterable[int]) -> dict[int, Candidate]:
    """The candidates of the trials with these `numbers` of the study `study_id` of `ledger`, finished or not."""
    columns = select(*whole_candidate())
    words = study_name(ledger, study_id) or ""
    found = _asked(ledger, columns, study_id, list(numbers))
    return {trial: read_candidate(arch, rest, trial_words(words, trial), told) for trial, arch, rest, told in found}


def read_made(ledger: Ledger, study_id: int, numbers: Iterable[int]) -> dict[int, Made]:
    """How the trials with these `numbers` of the study `study_id` of `ledger` were made, by number."""
    found = _asked(ledger, select(trials.c.trial, trials.c.candidate), study_id, list(numbers))
    parts = ((trial, _part(text, _MadePart)) for trial, text in found)
    return {trial: Made(part.genome, part.origin) for trial, part in parts}


def _asked(ledger: Ledger, columns: Select[Any], study_id: int, numbers: Sequence[int]) -> list[Any]:
    rows: list[Any] = []
    of_study = columns.where(trials.c.study_id == study_id)
    for first in range(0, len(numbers), MOST_ASKED):
        rows.extend(ledger.rows(of_study.where(trials.c.trial.in_(numbers[first : first + MOST_ASKED]))))
    return rows


def _outcome(row: Any, with_network: bool) -> Outcome:
    _, trial, role, arch_id, *rest = row
    arch = NO_NETWORK
    if with_network:
        *rest, text = rest
        arch = _part(text, ArchSpec)
    *counts, candidate, finished, wall_seconds, estimate = rest
    own, told = _part(candidate, _CandidatePart), _part(estimate, _EstimatePart)
    failure = None if told.failure is None else Failure(told.failure.reason, told.failure.message)
    return Outcome(
        candidate=Candidate(
            trial=trial,
            arch=arch,
            arch_id=arch_id,
            cost=Cost(*counts),
            fidelity=own.fidelity,
            seed=own.seed,
            genome=own.genome,
            role=role,
            origin=own.origin,
        ),
        estimate=Estimate(
            measured=told.measured,
            failure=failure,
            wall_seconds=wall_seconds,
            notes=told.notes,
            worker=told.worker,
            device=told.device,
        ),
        finished=finished,
    )


def _part(text: str, kind: Any) -> Any:
    """The fields of `kind` out of a JSON object; a loss that is no number is NaN there, which strict JSON has not."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        try:
            return msgspec.convert(json.loads(text), kind)
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            raise LedgerError(f"a row of the ledger is damaged ({error}): restore the ledger from a copy") from None
