"""What a ledger keeps of a search before its first trial: the study, made or taken up, and the run."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from naslab.analysis.ranking import has_trained
from naslab.errors import StudyError
from naslab.estimators.named import read_name
from naslab.execution.workers import Workers
from naslab.lab.search_options import identity_fields
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.provenance import command_line, installed_versions, machine_description
from naslab.strategies.choosing import StrategyChoice


def begun_with(ledger: Ledger, study: str, choice: StrategyChoice) -> StrategyChoice:
    """The choice, or the strategy that the study was begun with where there is one: a larger budget changes nothing."""
    if study not in ledger.study_names():
        return choice
    return StrategyChoice(ledger.study(study).strategy, "the study was begun with it")


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


def open_record(ledger: Ledger, record: StudyRecord) -> None:
    """Make the study of `record` in `ledger`, or take up the one of that name if it is the same search.

    Raises `StudyError` that names what differs where it is another.
    """
    if record.name not in ledger.study_names():
        ledger.create_study(record)
        return
    there = ledger.study(record.name)
    for field in identity_fields():
        old, new = getattr(there, field), getattr(record, field)
        if field == "problem" and old != new:
            part = next(key for key in new if old.get(key) != new[key])
            field, old, new = part, old.get(part), new[part]
        if old != new:
            what = "file or study behind its estimator" if field == "estimator_file" else field
            raise StudyError(
                f"study '{record.name}' was made with another {what}: {_brief(old)}, asked for {_brief(new)}; "
                f"continue it as it was, or give the new search its own name (--study NAME)"
            )
    ledger.set_trials(record.name, record.trials)


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


def _brief(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 160 else text[:157] + "..."
