"""Studies of a ledger as a whole: renamed, deleted, and several of one problem put together into a new one.

naslab.merge_studies(["monday", "tuesday"], into="both")
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from naslab.arguments import many, takes, text
from naslab.errors import StudyError, shown
from naslab.estimators.inheritance import INHERITS
from naslab.estimators.named import read_name
from naslab.lab.models import LEDGER
from naslab.lab.records import record_difference
from naslab.lab.search_options import identity_fields
from naslab.ledger.ledger import Kept, Ledger
from naslab.ledger.record import MergedStudy, StudyRecord
from naslab.study.outcome import Candidate, Outcome

NAME = text("the name of a study")
OWN_OF_EACH = ("strategy", "seed", "deterministic")
"""What studies may differ in that are put together: how networks were proposed, not what became of them."""
TRIALS_OF_ORIGIN = ("from", "base_trial", INHERITS)
"""The keys of an origin that hold the number of another trial, beside `parents`."""


class Deleted(NamedTuple):
    """A study that was deleted: its `name`, and how many finished trials it had."""

    name: str
    num_outcomes: int


@takes(old=NAME, new=NAME, ledger=LEDGER)
def rename_study(old: str, new: str, ledger: str | Path = "naslab.db") -> None:
    """Call the study `old` of `ledger` `new`; studies whose estimator learns from it follow.

    Raises `StudyError` while it is being driven and where `new` is taken or no name, `UnknownNameError` for another
    study.

    >>> import naslab
    >>> naslab.rename_study("digits_demo-auto-0", "first")  # doctest: +SKIP
    """
    with Ledger.open(ledger, create=False) as opened:
        opened.rename_study(old, new)
        for name in opened.study_names():
            record = opened.study(name)
            followed = _learning_from(record.estimator, old, new)
            if followed != record.estimator:
                opened.amend_study(msgspec.structs.replace(record, estimator=followed))


@takes(name=NAME, ledger=LEDGER)
def delete_study(name: str, ledger: str | Path = "naslab.db") -> Deleted:
    """Delete the study `name` of `ledger`: its trials, runs and checkpoints, and no other file.

    Raises `StudyError` while it is being driven, `UnknownNameError` where there is none.

    >>> import naslab
    >>> naslab.delete_study("tried", "naslab.db").num_outcomes  # doctest: +SKIP
    40
    """
    with Ledger.open(ledger, create=False) as opened, opened.claim(name):
        found = Deleted(name, opened.num_outcomes(name))
        opened.delete_study(name)
    return found


@takes(names=many(NAME), into=NAME, ledger=LEDGER)
def merge_studies(names: Sequence[str], into: str, ledger: str | Path = "naslab.db") -> tuple[MergedStudy, ...]:
    """Put the outcomes of the studies called `names` into a new one of `ledger`, called `into`; they stay as they are.

    A network that several of them had at one fidelity is there once: a result rather than a failure, of results the
    first. Trials are numbered anew in the order in which they finished, and say where they come from. The new study has
    the strategy and the seed of the first of `names`, the launches of all, and says what it was put together from,
    which is returned. Raises `StudyError` where the studies are of different problems or were estimated otherwise,
    where one of them is being driven, and where the name is taken.

    >>> import naslab
    >>> naslab.merge_studies(["monday", "tuesday"], into="both")[1].num_left_out  # doctest: +SKIP
    2
    """
    if len(set(names)) < max(2, len(names)):
        raise StudyError(f"two or more studies that differ are merged, got {', '.join(map(shown, names)) or 'none'}")
    with Ledger.open(ledger, create=False) as opened, ExitStack() as claimed:
        if into in opened.study_names():
            raise StudyError(f"study '{shown(into)}' exists already: name a new one for what is merged")
        for name in names:
            claimed.enter_context(opened.claim(name))
        records = [opened.study(name) for name in names]
        for other in records[1:]:
            _require_same(records[0], other)
        found = [opened.outcomes(name) for name in names]
        taken, numbers = _once_each(found)
        merged = tuple(_merged(record, found[index], taken, index) for index, record in enumerate(records))
        done = [_renumbered(each, names[index], index, trial, numbers) for trial, (index, each) in enumerate(taken)]
        runs = sorted((run for name in names for run in opened.runs(name)), key=lambda run: run.started)
        record = msgspec.structs.replace(
            records[0],
            name=into,
            created=time.time(),
            deterministic=False,
            trials=max(1, _num_networks(done)),
            changes=tuple(change for each in records for change in each.changes),
            merged=merged,
        )
        opened.enter_finished(record, runs, done, list(_checkpoints(opened, names, taken)))
    return merged


def _learning_from(estimator: str, old: str, new: str) -> str:
    """The name of an estimator, with `new` in the place of the study `old` where it learns from that."""
    if f"study={old}" not in estimator:
        return estimator
    followed = estimator.replace(f"study={old}", f"study={new}")
    before, after = (getattr(read_name(each).options, "study", None) for each in (estimator, followed))
    return followed if (before, after) == (old, new) else estimator


def _require_same(first: StudyRecord, other: StudyRecord) -> None:
    """Raise `StudyError` unless two studies are of one problem and estimated networks alike."""
    fields = ("problem", *(each for each in identity_fields() if each not in ("problem", *OWN_OF_EACH)), "made_with")
    found = record_difference(first, other, fields)
    if found is not None:
        what = "problems" if found.what != "made_with" else "code"
        told = found.between(first.name, other.name)
        raise StudyError(f"studies that are merged share their problem and how networks are estimated: {told} ({what})")


def _key(candidate: Candidate) -> tuple[Any, ...]:
    """What a merged study has once: a network of the search, or a job of a list, which may repeat one with seeds."""
    own = (candidate.role, candidate.arch_id, candidate.fidelity)
    return own if candidate.role == "search" else (*own, candidate.seed)


def _once_each(
    found: Sequence[Sequence[Outcome]],
) -> tuple[list[tuple[int, Outcome]], dict[tuple[int, int], int]]:
    """The outcomes to keep with the index of their study, in order; and the new number of each (index, old number)."""
    listed = [(index, outcome) for index, outcomes in enumerate(found) for outcome in outcomes]
    best: dict[tuple[Any, ...], tuple[int, Outcome]] = {}
    for index, outcome in sorted(listed, key=lambda each: (not each[1].is_complete, each[1].finished, each[0])):
        best.setdefault(_key(outcome.candidate), (index, outcome))
    taken = sorted(best.values(), key=lambda each: (each[1].finished, each[0], each[1].candidate.trial))
    places = {_key(outcome.candidate): number for number, (_, outcome) in enumerate(taken)}
    numbers = {(index, each.candidate.trial): places[_key(each.candidate)] for index, each in listed}
    return taken, numbers


def _renumbered(outcome: Outcome, study: str, index: int, trial: int, numbers: dict[tuple[int, int], int]) -> Outcome:
    """The outcome as `trial` of a merged study: other trials by their new numbers, and where it comes from."""
    candidate = outcome.candidate
    origin = dict(candidate.origin)
    if isinstance(origin.get("parents"), list | tuple):
        origin["parents"] = [numbers[index, each] for each in origin["parents"] if (index, each) in numbers]
    for key in TRIALS_OF_ORIGIN:
        if (index, origin.get(key)) in numbers:
            origin[key] = numbers[index, origin[key]]
    origin |= {"merged_from": study, "merged_trial": candidate.trial}
    return msgspec.structs.replace(outcome, candidate=msgspec.structs.replace(candidate, trial=trial, origin=origin))


def _merged(
    record: StudyRecord, outcomes: Sequence[Outcome], taken: Sequence[tuple[int, Outcome]], index: int
) -> MergedStudy:
    count = sum(each == index for each, _ in taken)
    return MergedStudy(
        name=record.name,
        strategy=record.strategy,
        seed=record.seed,
        created=record.created,
        num_outcomes=count,
        num_left_out=len(outcomes) - count,
    )


def _num_networks(outcomes: Sequence[Outcome]) -> int:
    """How many networks count as trials of a search."""
    return len(
        {each.candidate.arch_id for each in outcomes if each.candidate.role == "search" and not each.is_infeasible}
    )


def _checkpoints(ledger: Ledger, names: Sequence[str], taken: Sequence[tuple[int, Outcome]]) -> Iterator[Kept]:
    """The checkpoints that the outcomes left and that are still there, each once."""
    seen = set()
    for index, outcome in taken:
        sha256 = outcome.estimate.weights_sha256
        store = ledger.checkpoints(names[index])
        if sha256 and sha256 not in seen and store.path(sha256).is_file():
            seen.add(sha256)
            yield store, sha256
