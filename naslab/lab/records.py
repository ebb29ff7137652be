"""What a ledger keeps of a search before its first trial: the study, made or taken up, and the run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import msgspec
import numpy as np

from naslab.analysis.ranking import has_trained
from naslab.errors import StudyError, shortened
from naslab.estimators.named import read_name
from naslab.execution.events import Observer, StudyRestarted, VersionChanged
from naslab.execution.workers import Workers
from naslab.lab.differences import Difference, problem_difference
from naslab.lab.earlier_spaces import begun_space
from naslab.lab.search_options import identity_fields
from naslab.ledger.finished import finished_trials
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, SourceChange, StudyRecord
from naslab.outside import changed, is_outside, published
from naslab.provenance import command_line, installed_versions, machine_description
from naslab.strategies.choosing import AUTO, StrategyChoice
from naslab.study.data_choice import DataChoice
from naslab.study.problem import Problem

DEFAULT_BEFORE = "evolution"
"""The strategy that searches without a name for one had, which is in the names of their studies."""


def begun_with(ledger: Ledger, study: str, choice: StrategyChoice) -> StrategyChoice:
    """The choice; the strategy that a study with outcomes was begun with: a larger budget changes nothing.

    For a study that is new it says where there is one that the default of before gave its name. Raises `StudyError`
    where a study with outcomes has a strategy of the user's, or a sampler of Optuna, which must be given again.
    """
    names = ledger.study_names()
    if study not in names:
        before = f"-{DEFAULT_BEFORE}-".join(study.rsplit(f"-{AUTO}-", 1))
        if before == study or before not in names:
            return choice
        return StrategyChoice(choice.name, f"{choice.reason}; {before}, of the default of before, goes on by --study")
    if not ledger.has_outcome(study):
        return choice
    begun = ledger.study(study).strategy
    if begun.startswith("optuna."):
        raise StudyError(
            f"study '{study}' has the strategy {begun}: give that sampler again, as strategy=... in Python"
        )
    if is_outside(begun) or begun in published("naslab.strategies"):
        raise StudyError(f"study '{study}' has a strategy of your own: name it again (--strategy {begun})")
    return StrategyChoice(begun, "the study was begun with it")


def with_idle_fields(ledger: Ledger, record: StudyRecord) -> StudyRecord:
    """The record with the epochs and the recipe that its study in `ledger` has, where its estimator uses neither.

    Studies of before may have been begun with others.
    """
    if has_trained(record) or record.name not in ledger.study_names():
        return record
    there = ledger.study(record.name)
    problem = dict(record.problem)
    if there.estimator == record.estimator and read_name(record.estimator).row.kind == "proxy" and "recipe" in problem:
        problem["recipe"] = there.problem.get("recipe")
    return msgspec.structs.replace(record, epochs=there.epochs, problem=problem)


def as_begun(ledger: Ledger, name: str, problem: Problem) -> dict[str, Any]:
    """The options of a search to ask for in place of those of `problem` where an earlier version made the study `name`.

    They are its `space` and its `dataset`, each left out where nothing changes.
    """
    space, data = begun_space(ledger, name, problem.space), begun_data(ledger, name, problem.data)
    return {field: value for field, value in (("space", space), ("dataset", data)) if value is not None}


def begun_data(ledger: Ledger, name: str, asked: DataChoice) -> DataChoice | None:
    """The data to ask for in the place of `asked` where the study `name` was made by an earlier version on the same.

    Those versions read every image folder as coloured images. `None` where nothing changes.
    """
    if name not in ledger.study_names():
        return None
    try:
        begun = msgspec.convert(ledger.study(name).problem.get("data"), DataChoice)
    except msgspec.ValidationError:
        return None
    stored = begun.as_stored()
    if stored == begun or asked.name != begun.name:
        return None
    return msgspec.structs.replace(asked, channels=stored.channels, own_validation=stored.own_validation)


@contextmanager
def taken_up(
    ledger: Ledger, record: StudyRecord, on_event: Observer, accept_changes: bool = False
) -> Iterator[StudyRecord]:
    """Drive the study of `record` in `ledger` alone for the block: made, or gone on with if it is the same search.

    The block is given the record, with as many trials as are finished where those are more than it asks for. One that
    is another search and has no outcome yet is begun anew. With `accept_changes`, and as long as nothing is complete,
    the user's own code may have changed since; that is kept in the study. `on_event` is told. Raises `StudyError`,
    before anything is written, where another program drives the study, and where one with outcomes is another search:
    that names what differs.
    """
    with ledger.claim_or_create(record) as is_new:
        yield record if is_new else _take_up(ledger, record, on_event, accept_changes)


def _take_up(ledger: Ledger, record: StudyRecord, on_event: Observer, accept_changes: bool) -> StudyRecord:
    difference = _difference(ledger.study(record.name), record)
    if difference is not None and ledger.has_outcome(record.name):
        raise StudyError(
            f"study '{record.name}' was made with another {difference.what}: {difference.words()}; "
            f"continue it as it was, or give the new search its own name (--study NAME)"
        )
    if difference is not None:
        ledger.restart(record)
        ledger.checkpoints(record.name).sweep(())
        on_event(StudyRestarted(record.name, difference.words()))
        return record
    _require_same_source(ledger, record, accept_changes)
    before = [run.versions["naslab"] for run in ledger.runs(record.name) if "naslab" in run.versions]
    if before and before[-1] != version("naslab"):
        on_event(VersionChanged(record.name, before[-1], version("naslab")))
    taken = msgspec.structs.replace(record, trials=max(record.trials, _num_finished(ledger, record)))
    ledger.set_trials(record.name, taken.trials)
    return taken


def _num_finished(ledger: Ledger, record: StudyRecord) -> int:
    """How many of the trials that a study asks for are finished, looked up where they may be more than asked for now.

    They are networks at the first of its fidelities; where rungs pause, epochs in whole trainings.
    """
    if ledger.num_outcomes(record.name) <= record.trials:
        return 0
    found = finished_trials(ledger, record.name, "search")
    found = found.where(~found.is_infeasible)
    if record.rungs is not None and record.rungs.pauses:
        return math.ceil(len(found) / record.epochs)
    fidelities = [found.columns.fidelities[place] for place in np.unique(found.columns.fidelity).tolist()]
    return int(found.is_of(min(fidelities)).sum()) if fidelities else 0


def _difference(there: StudyRecord, asked: StudyRecord) -> Difference | None:
    """The first thing in which a search differs from the study of its name."""
    return record_difference(there, asked, identity_fields())


def record_difference(there: StudyRecord, asked: StudyRecord, fields: Iterable[str]) -> Difference | None:
    """The first difference of two records in the `fields`, `None` where they mean the same."""
    for field in fields:
        old, new = getattr(there, field), getattr(asked, field)
        if old == new:
            continue
        if field == "pretrained" and old is not None and new is not None:
            if old.sha256 == new.sha256 and (old.network, old.keep) == (new.network, new.keep):
                continue  # the same file under another path
            return Difference("pretrained weights", "pretrained", old.words, new.words)
        if field == "rungs":
            pauses = [each is not None and each.pauses for each in (old, new)]
            if pauses[0] != pauses[1]:
                return Difference("choice of what goes on", "pause", *pauses)
        if field != "problem":
            what = "file or study behind its estimator" if field == "estimator_file" else field
            plain = msgspec.to_builtins(old), msgspec.to_builtins(new)
            return Difference(what, field, *plain)
        found = problem_difference(old, new)
        if found is not None:
            return found
    return None


def _require_same_source(ledger: Ledger, record: StudyRecord, accept_changes: bool) -> None:
    """Take up changes of the user's code. Raises `StudyError` where they were not accepted."""
    there = ledger.study(record.name)
    told = changed(there.made_with, record.made_with)
    if not told:
        return
    outcomes = ledger.outcomes(record.name)
    if any(each.is_complete for each in outcomes) and not accept_changes:
        raise StudyError(
            f"the code that study '{record.name}' was made with has changed: {shortened(', '.join(told), 400)}; "
            f"undo that, give the new search its own name (--study NAME), or go on with it (--accept-changes)"
        )
    change = SourceChange(changed=tuple(told), num_outcomes=len(outcomes), accepted=time.time())
    kept = msgspec.structs.replace(there, made_with=record.made_with, changes=(*there.changes, change))
    ledger.amend_study(kept)


def run_record(pool: Workers) -> RunRecord:
    """This launch: the command, the machine and the versions."""
    return RunRecord(
        command=command_line(),
        started=time.time(),
        machine=machine_description(),
        versions=installed_versions(),
        executor=pool.kind,
        num_workers=pool.num_workers,
    )
