"""The numbers of very many outcomes of a search as arrays, read by indexes, without any JSON."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from naslab.arch.cost import Cost
from naslab.garbage import uncollected
from naslab.ledger.ledger import Ledger
from naslab.ledger.many import groups, read_columns, study_id_of
from naslab.ledger.queries import only_unfinished
from naslab.ledger.tables import measurements, outcomes, trials


class NumberTable(NamedTuple):
    """Numbers of the complete outcomes of a search, arrays of the shape (outcomes,), by trial.

    `fidelity` is the place of each one's in `fidelities`, JSON as the ledger has it, `network` a number that outcomes
    of one network share. `values` has an array for each metric, NaN where it was not measured. `ends` is when
    every outcome was finished, also those that failed, in order. Without times `finished` and `ends` are empty.
    `num_in_flight` counts the trials of the study without an outcome, whatever their role.
    """

    trial: NDArray[np.int64]
    finished: NDArray[np.float64]
    fidelity: NDArray[np.int64]
    network: NDArray[np.int64]
    fidelities: list[str]
    values: dict[str, NDArray[np.float64]]
    ends: NDArray[np.float64]
    num_in_flight: int


def read_numbers(ledger: Ledger, name: str, metrics: Sequence[str], with_times: bool = True) -> NumberTable:
    """The numbers of all complete outcomes of the search of the study `name` of `ledger`, with those of `metrics`.

    When they were finished is read `with_times` alone: it is a third of the work.
    """
    study_id = study_id_of(ledger, name)
    known = [metric for metric in metrics if metric in Cost.__struct_fields__]
    started = _started(ledger, study_id, known)
    num_numbers = int(started.trial.max(initial=-1)) + 1
    in_flight = _in_flight(ledger, study_id)
    finished = np.full(num_numbers, np.nan)
    if with_times:
        ends = select(outcomes.c.trial, outcomes.c.finished).where(outcomes.c.study_id == study_id)
        put_numbers(finished, ledger, ends)
    else:
        finished[started.trial] = 0.0
        finished[[trial for trial in in_flight if trial < num_numbers]] = np.nan
    every_end = finished[started.trial]
    is_complete = np.ones(num_numbers, dtype=bool)
    failed = select(outcomes.c.trial).where(outcomes.c.study_id == study_id, outcomes.c.failure.is_not(None))
    is_complete[[trial for (trial,) in ledger.rows(failed) if trial < num_numbers]] = False
    kept = np.flatnonzero(is_complete[started.trial] & ~np.isnan(every_end))
    trial = started.trial[kept]
    values = {metric: started.costs[kept, place] for place, metric in enumerate(known)}
    for metric in metrics:
        if metric not in values:
            measured = np.full(num_numbers, np.nan)
            asked = select(measurements.c.trial, measurements.c.value)
            put_numbers(
                measured, ledger, asked.where(measurements.c.study_id == study_id, measurements.c.metric == metric)
            )
            values[metric] = measured[trial]
    return NumberTable(
        trial,
        every_end[kept] if with_times else np.empty(0),
        started.fidelity[kept],
        started.network[kept],
        started.fidelities,
        values,
        np.sort(every_end[~np.isnan(every_end)]) if with_times else np.empty(0),
        len(in_flight),
    )


class _Started(NamedTuple):
    """The trials of a search, finished or not, by number: arrays of the shape (trials,), `costs` (trials, metrics)."""

    trial: NDArray[np.int64]
    fidelity: NDArray[np.int64]
    network: NDArray[np.int64]
    costs: NDArray[np.float64]
    fidelities: list[str]


def _started(ledger: Ledger, study_id: int, costs: Sequence[str]) -> _Started:
    """The trials of the search of the study with the key `study_id`, with their `costs`."""
    columns = select(trials.c.trial, trials.c.arch_id, *(trials.c[each] for each in costs))
    searched = trials.c.study_id == study_id, trials.c.role == "search"
    with uncollected():
        numbers, networks, *spent = read_columns(ledger, columns.where(*searched), as_json=[trials.c.arch_id.name])
        trial = np.array(numbers, dtype=np.int64)
        fidelity, known = read_fidelities(ledger, trial, *searched)
        network = _network_numbers(networks)
    order = np.argsort(trial, kind="stable")
    spent_on = np.array(spent, dtype=np.float64).reshape(len(costs), len(trial)).T
    return _Started(trial[order], fidelity[order], network[order], spent_on[order], known)


def read_fidelities(ledger: Ledger, numbers: NDArray[np.int64], *own: Any) -> tuple[NDArray[np.int64], list[str]]:
    """The fidelities of the trials with these `numbers`: the place of each in a list, shape (trials,), and the list.

    They are texts as `ledger` has them, empty where it has none. `own` are the conditions on `trials` that those with
    the `numbers` meet. Most trials have one fidelity, so that only those with another are read.
    """
    told = trials.c.fidelity
    first = [text for (text,) in ledger.rows(select(told).where(*own).limit(1))]
    codes = {text or "": 0 for text in first}
    others = select(trials.c.trial, told).where(*own, told.is_distinct_from(first[0] if first else None))
    number, texts = read_columns(ledger, others)
    some = np.array(number, dtype=np.int64)
    of_number = np.zeros(int(max(numbers.max(initial=-1), some.max(initial=-1))) + 1, dtype=np.int64)
    if number:
        of_number[some] = places_of_texts(texts, codes)
    return of_number[numbers], list(codes)


def _in_flight(ledger: Ledger, study_id: int) -> list[int]:
    """The trials that have no outcome."""
    numbers = select(trials.c.trial).where(trials.c.study_id == study_id)
    return [trial for (trial,) in ledger.rows(only_unfinished(numbers, study_id))]


def put_numbers(values: NDArray[np.float64], ledger: Ledger, columns: Any) -> None:
    """Put what a query of trials and numbers finds into `values`, shape (numbers of trials,), each at its trial."""
    with uncollected():
        rows = chain.from_iterable(groups(ledger, columns))
        found = np.fromiter(rows, dtype=[("trial", np.int64), ("value", np.float64)])
    found = found[found["trial"] < len(values)]
    values[found["trial"]] = found["value"]


def places_of_texts(told: Sequence[str | None], known: dict[str, int]) -> NDArray[np.int64]:
    """The places of texts among those `known`, which grow, shape (texts,): most groups have one text."""
    if len(set(told)) == 1:
        return np.full(len(told), known.setdefault(told[0] or "", len(known)))
    return np.array([known.setdefault(each or "", len(known)) for each in told], dtype=np.int64)


ID_LENGTH = 16
"""Hexadecimal digits of the identity of a network."""


def _network_numbers(ids: str) -> NDArray[np.int64]:
    """A number for each of the `ids` of networks, shape (ids,): its 16 hexadecimal digits, as 64 bits.

    `ids` is a JSON array: each id takes as many characters in it, so that no text is made of each. Where one of them is
    another id, of an older program, all are numbered as they come.
    """
    signs = np.frombuffer(ids.encode(), dtype=np.uint8)[1:]
    if len(signs) % (ID_LENGTH + 3) == 0:
        table = signs.reshape(-1, ID_LENGTH + 3)  # a quotation mark, the id, another one, a comma or the array's end
        if np.all(table[:, [0, ID_LENGTH + 1]] == ord('"')):
            with suppress(ValueError):
                digits = bytes.fromhex(table[:, 1 : ID_LENGTH + 1].tobytes().decode("latin-1"))
                if len(digits) == len(table) * 8:
                    return np.frombuffer(digits, dtype=">i8").astype(np.int64)
    known: dict[str, int] = {}
    found: list[str] = msgspec.json.decode(ids)
    return np.array([known.setdefault(each, len(known)) for each in found], dtype=np.int64)
