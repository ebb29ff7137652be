"""What a ledger keeps of a search before its first trial: the study, made or taken up, and the run."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from naslab.errors import StudyError
from naslab.execution.workers import Workers
from naslab.lab.search_options import identity_fields
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.provenance import command_line, installed_versions, machine_description
from naslab.strategies.choosing import StrategyChoice
from naslab.study.data_choice import DataChoice


def begun_with(ledger: Ledger, study: str, choice: StrategyChoice) -> StrategyChoice:
    """The choice, or the strategy that the study was begun with where there is one: a larger budget changes nothing."""
    if study not in ledger.study_names():
        return choice
    return StrategyChoice(ledger.study(study).strategy, "the study was begun with it")


def open_record(ledger: Ledger, record: StudyRecord) -> None:
    """Make the study of `record` in `ledger`, or take up the one of that name if it is the same search.

    Raises `StudyError` that names what differs where it is another.
    """
    if record.name not in ledger.study_names():
        ledger.create_study(record)
        return
    there = ledger.study(record.name)
    if _reads_other_files(there, record) and not any(each.is_complete for each in ledger.outcomes(record.name)):
        ledger.set_problem(record.name, record.problem)
        there = ledger.study(record.name)
    for field in identity_fields():
        old, new = getattr(there, field), getattr(record, field)
        if field == "problem" and _goes_on_with(old, new):
            continue
        if field == "problem" and old != new:
            part = next(key for key in new if old.get(key) != new[key])
            field, old, new = part, old.get(part), new[part]
            if part == "data" and _only_content_differs(old, new):
                raise StudyError(
                    f"study '{record.name}' was made with other images or labels under the name {old['name']}: their "
                    "content has changed since; continue it with those that it began with, or give the new search its "
                    "own name (--study NAME)"
                )
        if old != new:
            what = "file or study behind its estimator" if field == "estimator_file" else field
            raise StudyError(
                f"study '{record.name}' was made with another {what}: {_brief(old)}, asked for {_brief(new)}; "
                f"continue it as it was, or give the new search its own name (--study NAME)"
            )
    ledger.set_trials(record.name, record.trials)


def begun_data(ledger: Ledger, name: str, asked: DataChoice) -> DataChoice | None:
    """The data to ask for in the place of `asked` where the study `name` was made by an earlier version on the same.

    Those versions read every image folder as coloured images. `None` where nothing changes.
    """
    if name not in ledger.study_names():
        return None
    begun = msgspec.convert(ledger.study(name).problem["data"], DataChoice)
    stored = begun.as_stored()
    if stored == begun or asked.name != begun.name:
        return None
    return msgspec.structs.replace(asked, channels=stored.channels, own_validation=stored.own_validation)


def _data_of(problem: dict[str, Any]) -> DataChoice | None:
    try:
        return msgspec.convert(problem.get("data"), DataChoice)
    except msgspec.ValidationError:
        return None


def _goes_on_with(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a problem is the one before, as far as an earlier version noted it."""
    before, now = _data_of(old), _data_of(new)
    if before is None or now is None or {**old, "data": None} != {**new, "data": None}:
        return False
    return before.is_continued_by(now)


def _only_content_differs(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return {**old, "fingerprint": ""} == {**new, "fingerprint": ""}


def _reads_other_files(there: StudyRecord, record: StudyRecord) -> bool:
    """Whether two studies differ in nothing but whether files are left out that cannot be read."""
    before, now = _data_of(there.problem), _data_of(record.problem)
    if before is None or now is None or before.skip_unreadable == now.skip_unreadable:
        return False
    like = msgspec.structs.replace(before, skip_unreadable=now.skip_unreadable)
    return {**there.problem, "data": None} == {**record.problem, "data": None} and like.is_continued_by(now)


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
