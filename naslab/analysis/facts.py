"""The facts of a study: which command, seed, budget, machine, versions, data and recipe made its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from naslab.analysis.ranking import has_trained, ranking_words
from naslab.analysis.study import StudyView
from naslab.errors import counted
from naslab.ledger.record import MergedStudy, RunRecord, StudyRecord
from naslab.metrics import COST_METRICS
from naslab.passwords import without_passwords
from naslab.strategies.domain import cost_features
from naslab.strategies.foreseen_limits import ForeseenLimit
from naslab.strategies.registry import PER_SECOND
from naslab.strategies.training_seconds import TrainingSeconds
from naslab.study.data_choice import OWN_DATA
from naslab.study.problem import Problem


class Fact(msgspec.Struct, frozen=True):
    """One line: what it is about (`search`, `data`, ..), its name, its value in words."""

    topic: str
    name: str
    value: str


class FactTable(msgspec.Struct, frozen=True):
    """Facts by topic, in the order to read them."""

    facts: tuple[Fact, ...]

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics in order."""
        return tuple(dict.fromkeys(each.topic for each in self.facts))

    def rows(self) -> list[dict[str, str]]:
        """The table as JSON values, one a fact."""
        return [{"topic": each.topic, "name": each.name, "value": each.value} for each in self.facts]


def facts(view: StudyView) -> FactTable:
    """What made a study's numbers, from its record and its runs."""
    record, problem = view.record, view.problem
    found = [
        Fact("search", "study", record.name),
        Fact("search", "strategy", record.strategy),
        Fact("search", "seed", str(record.seed)),
        Fact("search", "budget", budget_words(record)),
        Fact("search", "space", problem.space.name or "of its own"),
        Fact("search", "objectives", ", ".join(_direction(each.metric, each.maximise) for each in problem.objectives)),
        Fact("search", "limits", ", ".join(map(str, (*problem.limits, *problem.measured_limits))) or "none"),
        *([Fact("search", "preferred", ", ".join(map(str, problem.preferences)))] if problem.preferences else []),
        *([Fact("search", "seconds of trainings", seconds_words(view))] if record.strategy in PER_SECOND else []),
        *(Fact("search", metric, words) for metric, words in foreseen_words(view).items()),
        *([] if record.stop_early is None else [Fact("search", "stopped early", f"at {100 * record.stop_early:g} %")]),
        *([Fact("search", "weights", "inherited")] if record.inherit else []),
        *([Fact("search", "pretrained", record.pretrained.words)] if record.pretrained else []),
        *([Fact("search", "estimator", record.estimator)] if record.estimator else []),
        Fact("search", "created", moment(record.created)),
        *(Fact("search", "merged from", _merged_words(each)) for each in record.merged),
        *_own_code(record),
        *_training_facts(problem),
    ]
    for number, run in enumerate(view.runs, start=1):
        found.extend(_run_facts("run" if len(view.runs) == 1 else f"run {number}", run))
    return FactTable(tuple(found))


def _merged_words(each: MergedStudy) -> str:
    left = f", {each.num_left_out} left out that others had" if each.num_left_out else ""
    return (
        f"{each.name}: {counted(each.num_outcomes, 'outcome')}{left}; {each.strategy}, seed {each.seed}, "
        f"{moment(each.created)}"
    )


def foreseen_words(view: StudyView) -> dict[str, str]:
    """For each limit on what is measured, by metric: what broke it, and how well descriptions of networks tell that.

    Empty where `view` is of a study without such limits.
    """
    foreseen = tuple(map(ForeseenLimit, view.problem.measured_limits))
    for outcome in view.outcomes:
        for each in foreseen:
            each.learn(outcome.candidate.arch, outcome.candidate.cost, outcome.value(each.limit.metric))
    count = sum(outcome.is_infeasible for outcome in view.outcomes)
    told = {}
    for each in foreseen:
        words = f"{counted(count, 'network')} broke limits before training"
        if math.isfinite(each.error):
            words += f"; predicted from descriptions with an error of {100 * math.expm1(each.error):.0f} % "
            words += f"(leave one out, {counted(each.num_networks, 'network')})" + (
                "" if each.is_used else ", too much to be used"
            )
        told[each.limit.metric] = words
    return told


def seconds_words(view: StudyView) -> str:
    """How well costs tell how long the trainings of `view` took, all at the lowest fidelity."""
    done = [each for each in view.outcomes if each.is_complete and each.candidate.role == "search"]
    lowest = min((each.candidate.fidelity.epochs for each in done), default=0)
    done = [each for each in done if each.candidate.fidelity.epochs == lowest]
    features = np.array([cost_features(each.candidate.cost) for each in done]).reshape(len(done), len(COST_METRICS))
    return TrainingSeconds.learned(features, [each.estimate.wall_seconds for each in done]).words


def _own_code(record: StudyRecord) -> list[Fact]:
    """What of the user's own code made a study, by definition, and what of it was accepted as changed."""
    made = [Fact("search", "made with", ", ".join(f"{name} {sha256[:8]}" for name, sha256 in record.made_with.items()))]
    changes = [
        Fact(
            "search",
            "changed",
            f"{', '.join(each.changed)} after {counted(each.num_outcomes, 'outcome')}, {moment(each.accepted)}",
        )
        for each in record.changes
    ]
    return [*(made if record.made_with else []), *changes]


def _training_facts(problem: Problem) -> list[Fact]:
    """The data and the recipe; of a user's own training that brings its data, only that it does."""
    if problem.data.name == OWN_DATA:
        return [Fact("data", "name", OWN_DATA)]
    return [
        *_plain("data", msgspec.structs.asdict(problem.data)),
        *_plain("recipe", msgspec.structs.asdict(problem.recipe)),
    ]


def budget_words(record: StudyRecord) -> str:
    """What a study may spend.

    >>> budget_words(StudyRecord(name="a", problem={}, strategy="random", epochs=4, seed=0, trials=50))
    '50 trials of 4 epochs'
    """
    if record.rungs and record.rungs.pauses:
        whole = f"{counted(record.trials, 'training')} of {counted(record.epochs, 'epoch')}"
        return f"{counted(record.num_asked, 'epoch')}, as many as {whole} have, given to networks one by one"
    if record.rungs:
        return f"{counted(record.trials, 'network')}, {record.rungs}"
    spent = f" of {counted(record.epochs, 'epoch')}" if has_trained(record) else ""
    return f"{counted(record.trials, 'trial')}{spent}" + (f", {ranking_words(record)}" if record.estimator else "")


def moment(seconds: float) -> str:
    """A moment in seconds since the epoch as date and time, UTC.

    >>> moment(0)
    '1970-01-01 00:00:00 UTC'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _run_facts(topic: str, run: RunRecord) -> list[Fact]:
    return [
        Fact(topic, "command", without_passwords(run.command)),
        Fact(topic, "started", moment(run.started)),
        Fact(topic, "executor", f"{run.executor}, {counted(run.num_workers, 'worker')}"),
        *_plain(topic, run.machine),
        Fact(topic, "versions", ", ".join(f"{name} {version}" for name, version in run.versions.items()) or "not kept"),
    ]


def _plain(topic: str, values: Mapping[str, Any]) -> list[Fact]:
    return [
        Fact(topic, name.replace("_gib", " (GiB)").replace("_", " "), _words(value)) for name, value in values.items()
    ]


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(_words(each) for each in value) or "none"
    return str(value) or "none"


def _direction(metric: str, maximise: bool) -> str:
    return f"{metric} {'up' if maximise else 'down'}"
