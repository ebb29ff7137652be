"""The finished trials of a study by columns, for what asks a number of each of very many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import column, exists, select, text

from naslab.arch.cost import Cost
from naslab.arch.identity import IDENTITY_VERSION
from naslab.garbage import uncollected
from naslab.ledger.ledger import Ledger
from naslab.ledger.many import OTHER_ROLES, read_columns, study_id_of
from naslab.ledger.news import read_made, read_outcomes
from naslab.ledger.numbers import put_numbers, read_fidelities
from naslab.ledger.tables import BEGINS_A_CLIMB, BEGUN, measurements, outcomes, trials
from naslab.study.finished import READ_AT_ONCE, FinishedColumns, FinishedTrials, Made
from naslab.study.outcome import RESTART, Fidelity, Outcome

MOST_WHOLE = 2_000
"""Trials of a study that are read whole: damage in any of them is told then, and they take a moment."""


def finished_trials(ledger: Ledger, name: str, role: str | None = None) -> FinishedTrials:
    """The finished trials of the study `name` of `ledger` in the order finished; with `role` only those.

    Up to 2,000 are read whole, of more the columns alone; so are those of which one has no fidelity in its column, or
    an identity of another program's. Raises as `Ledger.outcomes`.
    """
    if ledger.num_outcomes(name) <= MOST_WHOLE or not _has_columns(ledger, name):
        return FinishedTrials.of(ledger.outcomes(name, role))
    study_id = study_id_of(ledger, name)
    ended = select(outcomes.c.position, outcomes.c.trial).where(outcomes.c.study_id == study_id)
    started = (trials.c.study_id == study_id, *(() if role is None else (trials.c.role == role,)))
    failed = select(outcomes.c.trial, outcomes.c.failure).where(outcomes.c.study_id == study_id)
    of_roles = select(trials.c.trial, trials.c.role).where(trials.c.study_id == study_id)
    with uncollected():
        position, trial = (np.array(each, dtype=np.int64) for each in read_columns(ledger, ended))
        starts, network_id, fidelity, codes = _started(ledger, started)
        reasons = read_columns(ledger, failed.where(outcomes.c.failure.is_not(None)))
        roles = read_columns(ledger, of_roles.where(trials.c.role.in_(OTHER_ROLES if role is None else ())))
    order = np.argsort(position)
    ends = trial[order]
    sorter = np.argsort(starts)
    place = np.searchsorted(starts, ends, sorter=sorter)
    is_own = place < len(starts)
    is_own[is_own] = starts[sorter[place[is_own]]] == ends[is_own]
    begun = sorter[place[is_own]]
    columns = FinishedColumns(
        ends[is_own],
        network_id[begun],
        _texts(ends[is_own], roles, "search" if role is None else role),
        fidelity[begun],
        _texts(ends[is_own], reasons, ""),
        tuple(msgspec.json.decode(each, type=Fidelity) for each in codes),
    )
    return FinishedTrials(LedgerReader(ledger, study_id), columns)


class LedgerReader:
    """Reads of finished trials of the study with the key `study_id` of `ledger`."""

    def __init__(self, ledger: Ledger, study_id: int) -> None:
        self._ledger = ledger
        self._study_id = study_id

    def whole(self, trials: Sequence[int]) -> list[Outcome]:
        """The whole outcomes of `trials`, in their order."""
        found = read_outcomes(self._ledger, self._study_id, trials)
        return [found[trial] for trial in trials]

    def made(self, trials: Sequence[int]) -> list[Made]:
        """The genomes and origins of `trials`, in their order."""
        found = read_made(self._ledger, self._study_id, trials)
        return [found[trial] for trial in trials]

    def made_by(self, operator: str) -> set[int]:
        """The trials, perhaps among others, whose origin names that `operator`."""
        if operator == RESTART:
            return set(read_begun(self._ledger, self._study_id))
        named = trials.c.candidate.contains(f'"operator":"{operator}"', autoescape=True)
        return {row[0] for row in self._ledger.rows(select(trials.c.trial).where(*self._own(trials), named))}

    def values(self, metric: str, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values of a `metric` that is a cost or measured, of the shape of `numbers`; NaN where there is none."""
        known = np.full(int(numbers.max(initial=-1)) + 1, np.nan)
        if metric in Cost.__struct_fields__:
            spent = select(trials.c.trial, trials.c[metric]).where(*self._own(trials))
            trial, value = (np.array(each, dtype=np.int64) for each in read_columns(self._ledger, spent))
            is_asked = trial < len(known)
            known[trial[is_asked]] = value[is_asked]
        else:
            measured = select(measurements.c.trial, measurements.c.value)
            of_metric = [*self._own(measurements), measurements.c.metric == metric]
            if len(numbers) <= READ_AT_ONCE:
                of_metric.append(measurements.c.trial.in_(numbers.tolist()))
            put_numbers(known, self._ledger, measured.where(*of_metric))
        return np.asarray(known[numbers])

    def finished(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """When each of the trials with these `numbers` was finished, of their shape."""
        moments = np.full(int(numbers.max(initial=-1)) + 1, np.nan)
        put_numbers(moments, self._ledger, select(outcomes.c.trial, outcomes.c.finished).where(*self._own(outcomes)))
        return np.asarray(moments[numbers])

    def _own(self, table: Any) -> tuple[Any]:
        return (table.c.study_id == self._study_id,)


def read_begun(ledger: Ledger, study_id: int) -> list[int]:
    """The trials of a study, perhaps among others, that begin a climb of local search, read by their index.

    SQLite, which has counted nothing, would take another index and read the JSON of all trials.
    """
    rows = trials.name if ledger.location.path is None else f"{trials.name} INDEXED BY {BEGUN}"
    asked: Any = select(column("trial")).select_from(text(rows)).where(column("study_id") == study_id)
    return [trial for (trial,) in ledger.rows(asked.where(text(BEGINS_A_CLIMB)))]


def _has_columns(ledger: Ledger, name: str) -> bool:
    """Whether every trial has its identity of today in a column, and with it the fidelity in another one."""
    told = trials.c.identity
    of_study = trials.c.study_id == study_id_of(ledger, name)
    others = (told.is_(None), told < IDENTITY_VERSION, told > IDENTITY_VERSION)  # each by the index
    asked: Any = select(*(exists().where(of_study, other) for other in others))
    [found] = ledger.rows(asked)
    return not any(found)


def _texts(numbers: NDArray[np.int64], some: Sequence[Sequence[Any]], usual: str) -> NDArray[np.object_]:
    """A text for each of the trials with these `numbers`, shape (trials,): the `usual` one but for `some` of them.

    `some` are numbers of trials and their texts, also of others.
    """
    found = np.full(len(numbers), usual, dtype=np.object_)
    if len(some[0]) and len(numbers):
        sorter = np.argsort(numbers)
        place = np.minimum(np.searchsorted(numbers, some[0], sorter=sorter), len(numbers) - 1)
        is_there = numbers[sorter[place]] == some[0]
        found[sorter[place[is_there]]] = np.array(some[1], dtype=np.object_)[is_there]
    return found


def _started(
    ledger: Ledger, own: Sequence[Any]
) -> tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.int64], list[str]]:
    """Numbers, networks and fidelities, as places in a list of JSON, of the trials that meet the conditions `own`."""
    number, network = read_columns(ledger, select(trials.c.trial, trials.c.arch_id).where(*own))
    numbers = np.array(number, dtype=np.int64)
    return numbers, np.array(network, dtype=np.object_), *read_fidelities(ledger, numbers, *own)
