"""What a ledger keeps of a search before its first trial: the study, made or taken up, and the run."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from naslab.errors import StudyError, shortened
from naslab.execution.workers import Workers
from naslab.lab.search_options import identity_fields
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, SourceChange, StudyRecord
from naslab.outside import changed
from naslab.provenance import command_line, installed_versions, machine_description
from naslab.strategies.choosing import StrategyChoice


def begun_with(ledger: Ledger, study: str, choice: StrategyChoice) -> StrategyChoice:
    """The choice, or the strategy that the study was begun with where there is one: a larger budget changes nothing."""
    if study not in ledger.study_names():
        return choice
    return StrategyChoice(ledger.study(study).strategy, "the study was begun with it")


def open_record(ledger: Ledger, record: StudyRecord, accept_changes: bool = False) -> None:
    """Make the study of `record` in `ledger`, or take up the one of that name if it is the same search.

    With `accept_changes`, and as long as nothing is complete, the user's own code may have changed since; that is kept
    in the study. Raises `StudyError` that names what differs where it is another search.
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
    _require_same_source(ledger, there, record, accept_changes)
    ledger.set_trials(record.name, record.trials)


def _require_same_source(ledger: Ledger, there: StudyRecord, record: StudyRecord, accept_changes: bool) -> None:
    """Take up changes of the user's code. Raises `StudyError` where they were not accepted."""
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


def _brief(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 160 else text[:157] + "..."
