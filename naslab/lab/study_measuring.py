"""A metric added to the finished networks of a study: measured on each untrained network, kept in the ledger.

naslab.measure_study("mystudy", "latency_ms")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from naslab.analysis.study import StudyView, read_study
from naslab.analysis.trials import every_outcome
from naslab.arguments import either, flag, function, takes, text
from naslab.errors import NaslabError, StudyError, shown
from naslab.estimators.estimator import Workbench
from naslab.estimators.own_metric import own_metric
from naslab.lab.models import COUNT, LEDGER
from naslab.lab.study_models import BEST, FRONT, best_outcome, front_outcomes, named_trials
from naslab.ledger.ledger import Ledger
from naslab.metrics import AT, TIMING, Metric, find_metric, is_declared, named_metric
from naslab.outside import changed, is_outside, load_outside, users_traceback
from naslab.passwords import without_passwords
from naslab.reading import whole_number
from naslab.study.outcome import LATER_NOTE, Candidate, Outcome
from naslab.targets.metrics import is_at, require_metric

MOST_ALIKE = 3
"""Failures alike with which a measurement ends, while no network has succeeded."""


class NetworkMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """A network with its `value`, `None` where measuring it failed for the reason in `failure`.

    `trials` are those of the study that trained it; `is_new` says whether it was measured now.
    """

    trials: tuple[int, ...]
    arch_id: str
    value: float | None
    is_new: bool = True
    failure: str = ""
    traceback: str = ""


class StudyMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """What measuring a `metric` of the networks of a `study` gave, by trial."""

    study: str
    metric: str
    networks: tuple[NetworkMeasured, ...]

    @property
    def num_measured(self) -> int:
        """How many networks were measured now."""
        return sum(each.is_new and each.value is not None for each in self.networks)

    @property
    def num_failed(self) -> int:
        """How many could not be measured."""
        return sum(each.value is None for each in self.networks)

    def rows(self) -> dict[str, Any]:
        """The values for JSON."""
        return {
            "study": self.study,
            "metric": self.metric,
            "measured": self.num_measured,
            "already": sum(not each.is_new for each in self.networks),
            "failed": self.num_failed,
            "networks": [
                {"trials": list(each.trials), "arch_id": each.arch_id, self.metric: each.value}
                | ({"failure": each.failure} if each.failure else {})
                for each in self.networks
            ],
        }


class _Metric(NamedTuple):
    """A metric to measure: its name, the function that does, and what its values depend on beside the network."""

    name: str
    measure: Callable[[Candidate, Workbench], dict[str, float]]
    how: dict[str, Any]


Observer = Callable[[NetworkMeasured, int, int], None]


@takes(
    study=text("the name of a study"),
    metric=either(text("the name of a metric"), function()),
    ledger=LEDGER,
    device=text("a torch device, or auto"),
    threads=COUNT,
    again=flag(),
    report=function(),
)
def measure_study(
    study: str,
    metric: str | Callable[..., Any],
    ledger: str | Path = "naslab.db",
    *,
    device: str = "auto",
    threads: int = 1,
    again: bool = False,
    report: Observer = lambda *_: None,
) -> StudyMeasured:
    """Measure a metric of the finished networks of `study` in `ledger`, and keep it with their outcomes there.

    `study` is a study's name, or `STUDY:front`, `STUDY:front@macs<=5M`, `STUDY:best`, `STUDY:7` for some of its
    networks. `metric` is the name of one that is measured before training (`latency_ms`), or a function of your own (or
    its name, `my_code:flatness`) of the untrained network, or of it and its `ArchSpec`, that returns a number, which is
    kept under the function's name, or the name of a row of your own with `measure`, as `my_code:ENERGY`. Each network
    is measured once, on `device` with `threads` CPU threads: what is interrupted goes on where it was, and nothing is
    measured twice unless `again`. `report` is called with each network as it is done, the number that are done and the
    number of all. A network that cannot be measured is told as such. Raises `StudyError` where the study is being
    driven, was measured in another way, or the first three networks fail alike, `NaslabError` for a metric that is
    known without, or only after training.

    >>> import naslab
    >>> naslab.measure_study("mystudy:front", "latency_ms").num_measured  # doctest: +SKIP
    7
    """
    from naslab.training.device import choose_device

    bench = Workbench(device=str(choose_device(device)), threads=threads)
    with Ledger.open(ledger, create=False) as opened:
        name, selected = _selected(opened, study)
        chosen = _metric(metric, bench)
        with opened.claim(name), _threads(threads):
            view = read_study(opened, name)
            outcomes = [each for each in every_outcome(view) if each.is_complete]
            groups = _groups(outcomes, selected(view))
            if not again:
                _require_same_way(name, outcomes, chosen)
            found = tuple(_measured(opened, name, chosen, groups, bench, again, report))
    return StudyMeasured(study=name, metric=chosen.name, networks=found)


def _measured(
    ledger: Ledger,
    name: str,
    metric: _Metric,
    groups: Sequence[list[Outcome]],
    bench: Workbench,
    again: bool,
    report: Observer,
) -> Iterator[NetworkMeasured]:
    failures: list[str] = []
    has_any = False
    for number, group in enumerate(groups, start=1):
        done = _of_network(ledger, name, metric, group, bench, again)
        failures += [done.failure] if done.failure else []
        has_any = has_any or done.value is not None
        report(done, number, len(groups))
        if not has_any and failures[:MOST_ALIKE] == [done.failure] * MOST_ALIKE:
            raise StudyError(f"the first {MOST_ALIKE} networks fail alike: {done.failure}; mend that and run it again")
        yield done


def _of_network(
    ledger: Ledger, name: str, metric: _Metric, group: list[Outcome], bench: Workbench, again: bool
) -> NetworkMeasured:
    """The value of one network, in the ledger with all of its outcomes before this returns."""
    trials = tuple(each.candidate.trial for each in group)
    candidate = group[0].candidate
    known = None if again else next((each for each in group if metric.name in each.estimate.measured), None)
    failure = trace = ""
    values: dict[str, float] = {}
    if known is not None:
        keys = find_metric(metric.name).keys if is_declared(metric.name) else (metric.name,)
        values = {key: known.estimate.measured[key] for key in keys if key in known.estimate.measured}
    else:
        try:
            values = metric.measure(candidate, bench)
        except NaslabError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001 - the boundary: users' code, whose failure is a value
            failure = without_passwords(f"{type(error).__name__}: {error}").replace("\n", " ")
            trace = without_passwords(users_traceback(error))
    lacking = [each.candidate.trial for each in group if again or metric.name not in each.estimate.measured]
    if values and lacking:
        note = known.estimate.notes.get(LATER_NOTE, {}).get(metric.name) if known is not None else None
        notes = {LATER_NOTE: {metric.name: note or metric.how | {"measured": time.time()}}}
        ledger.add_measured(name, lacking, values, notes)
    return NetworkMeasured(
        trials=trials,
        arch_id=candidate.arch_id,
        value=values.get(metric.name),
        is_new=known is None,
        failure=failure,
        traceback=trace,
    )


def _metric(given: str | Callable[..., Any], bench: Workbench) -> _Metric:
    """The metric that is asked for. Raises `StudyError` for one that needs no measuring, or a trained network."""
    from naslab.estimators.limited import measured_before_training

    if isinstance(given, str) and is_outside(given) and isinstance(load_outside(given, "metric"), Metric):
        given = named_metric(given).name
    is_row = isinstance(given, str) and is_declared(given)
    if not is_row or find_metric(str(given)).measure is not None:
        own = own_metric(find_metric(str(given)) if is_row else given)
        return _Metric(own.name, own.measure, {"source": own.source, "device": bench.device})
    given = str(given)
    row = find_metric(given)
    if row.is_described and "@" not in given:
        raise StudyError(f"{given} is known from the description of every network: it is there without measuring")
    if not row.is_limitable or not (row.measured_by == TIMING or "@" in given):
        mend = "naslab train STUDY:front trains and tests the networks of a front"
        if is_at(given):
            _, _, target = given.partition(AT)
            mend = f"naslab train STUDY:front --out FOLDER, then naslab measure of each folder with --target {target}"
        raise StudyError(f"{given} is known after training alone, by {row.measured_by or 'its estimator'}: {mend}")

    if is_at(given):
        require_metric(given)

    def measure(candidate: Candidate, bench: Workbench) -> dict[str, float]:
        return measured_before_training((given,), candidate, bench)

    where = {"device": bench.device, "threads": bench.threads} if row.measured_by == TIMING else {}
    return _Metric(given, measure, where)


def _selected(ledger: Ledger, asked: str) -> tuple[str, Callable[[StudyView], list[Outcome]]]:
    """The study that a text names, and what chooses outcomes of it."""
    named = None if asked in ledger.study_names() else named_trials(asked)
    if named is None:
        ledger.study(asked)  # raises for a name that is none
        return asked, every_outcome

    def chosen(view: StudyView) -> list[Outcome]:
        if named.which == FRONT:
            return front_outcomes(view, named.limits)
        if named.which == BEST:
            return [best_outcome(view, named.limits)]
        found = [each for each in every_outcome(view) if each.candidate.trial == whole_number(named.which)]
        if not found:
            told = f"a whole study, its {FRONT}, {BEST} or the number of a finished trial"
            raise StudyError(f"networks of study '{shown(named.study)}' are {told}, got '{shown(named.which)}'")
        return found

    return named.study, chosen


def _groups(outcomes: Sequence[Outcome], selected: Sequence[Outcome]) -> list[list[Outcome]]:
    """The complete outcomes of each selected network, by its first trial. Raises `StudyError` where there are none."""
    wanted = {each.candidate.arch_id for each in selected}
    groups: dict[str, list[Outcome]] = {}
    for each in outcomes:
        if each.candidate.arch_id in wanted:
            groups.setdefault(each.candidate.arch_id, []).append(each)
    if not groups:
        raise StudyError("the study has no finished trial without a failure: there is no network to measure")
    return list(groups.values())


def _require_same_way(name: str, outcomes: Sequence[Outcome], metric: _Metric) -> None:
    """Raise `StudyError` where some networks have the metric already, measured in another way."""
    for each in outcomes:
        note = each.estimate.notes.get(LATER_NOTE, {}).get(metric.name)
        if note is None:
            continue
        told = changed(note.get("source", {}), metric.how.get("source", {}))
        told += [
            f"{key} was {note[key]}, now {value}"
            for key, value in metric.how.items()
            if key != "source" and note.get(key, value) != value
        ]
        if told:
            raise StudyError(
                f"{metric.name} of trial {each.candidate.trial} of study '{name}' was measured in another way "
                f"({'; '.join(told)}): undo that, or measure all anew (--again)"
            )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Have torch compute with `count` CPU threads within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
