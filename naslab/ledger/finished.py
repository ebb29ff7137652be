"""The finished trials of a study by columns, for what asks a number of each of very many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, or_, select

from naslab.arch.cost import Cost
from naslab.arch.identity import IDENTITY_VERSION
from naslab.ledger.ledger import Ledger
from naslab.ledger.many import groups, study_id_of, uncollected
from naslab.ledger.news import read_made, read_outcomes
from naslab.ledger.tables import measurements, outcomes, trials
from naslab.study.finished import FinishedColumns, FinishedTrials, Made
from naslab.study.outcome import Fidelity, Outcome

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
    ended = select(outcomes.c.position, outcomes.c.trial, outcomes.c.finished, outcomes.c.failure)
    started = select(trials.c.trial, trials.c.arch_id, trials.c.fidelity, trials.c.role)
    of_study = started.where(trials.c.study_id == study_id)
    with uncollected():
        position, trial, finished, reason = _columns(ledger, ended.where(outcomes.c.study_id == study_id), 4)
        known = of_study if role is None else of_study.where(trials.c.role == role)
        number, network_id, fidelity, of_role = _columns(ledger, known, 4)
        codes: dict[str, int] = {}
        fidelities = [codes.setdefault(text, len(codes)) for text in fidelity]
    order = np.argsort(np.array(position, dtype=np.int64))
    ends, starts = np.array(trial, dtype=np.int64)[order], np.array(number, dtype=np.int64)
    sorter = np.argsort(starts)
    place = np.searchsorted(starts, ends, sorter=sorter)
    is_own = place < len(starts)
    is_own[is_own] = starts[sorter[place[is_own]]] == ends[is_own]
    end, begun = order[is_own], sorter[place[is_own]]
    columns = FinishedColumns(
        ends[is_own],
        np.array(network_id, dtype=np.object_)[begun],
        np.array(of_role, dtype=np.object_)[begun],
        np.array(fidelities, dtype=np.int64)[begun],
        np.array([each or "" for each in reason], dtype=np.object_)[end],
        np.array(finished, dtype=np.float64)[end],
        tuple(msgspec.json.decode(text, type=Fidelity) for text in codes),
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
        named = trials.c.candidate.contains(f'"operator":"{operator}"', autoescape=True)
        return {row[0] for row in self._ledger.rows(select(trials.c.trial).where(*self._own(trials), named))}

    def values(self, metric: str, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values of a `metric` that is a cost or measured, of the shape of `numbers`; NaN where there is none."""
        if metric in Cost.__struct_fields__:
            columns = select(trials.c.trial, trials.c[metric]).where(*self._own(trials))
        else:
            columns = select(measurements.c.trial, measurements.c.value)
            columns = columns.where(*self._own(measurements), measurements.c.metric == metric)
        known = np.full(int(numbers.max(initial=-1)) + 1, np.nan)
        for group in groups(self._ledger, columns):
            found = np.array(group, dtype=np.float64)
            found = found[found[:, 0] < len(known)]
            known[found[:, 0].astype(np.int64)] = found[:, 1]
        return np.asarray(known[numbers])

    def _own(self, table: Any) -> tuple[Any]:
        return (table.c.study_id == self._study_id,)


def _has_columns(ledger: Ledger, name: str) -> bool:
    """Whether every trial has its fidelity and its identity of today in columns."""
    others = or_(trials.c.identity.is_(None), trials.c.identity != IDENTITY_VERSION, trials.c.fidelity.is_(None))
    found = ledger.rows(select(func.count()).where(trials.c.study_id == study_id_of(ledger, name), others))
    return not found[0][0]


def _columns(ledger: Ledger, columns: Any, width: int) -> list[list[Any]]:
    """The columns of what a query finds, `width` of them, as lists."""
    found: list[list[Any]] = [[] for _ in range(width)]
    for group in groups(ledger, columns):
        for column, values in zip(found, zip(*group, strict=True), strict=True):
            column.extend(values)
    return found
