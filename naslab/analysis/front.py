"""The Pareto front of outcomes: what no other outcome beats in every objective, and what it dominates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.labels import label_of
from naslab.analysis.no_front import nothing_to_show
from naslab.analysis.reference import ReferencePoint, reference_of_outcomes
from naslab.analysis.whole_study import WholeStudy
from naslab.arch.summary import describe_arch
from naslab.errors import StudyError
from naslab.metrics import described_values, shown_as
from naslab.pareto import hypervolume, is_non_dominated
from naslab.study.outcome import Outcome
from naslab.study.problem import Objective


class FrontPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A network with its metrics: what the description tells, what was measured (`naslab.metrics`), and its stages."""

    trial: int
    arch_id: str
    label: str
    epochs: int
    metrics: dict[str, float]
    stages: tuple[str, ...]
    is_on_front: bool = False

    def value(self, metric: str) -> float:
        """The value of `metric`, in its own unit; NaN where it was not measured."""
        return self.metrics.get(metric, math.nan)

    def row(self) -> dict[str, Any]:
        """The point as JSON values, its metrics beside its identity."""
        return {
            "trial": self.trial,
            "arch_id": self.arch_id,
            "label": self.label,
            "epochs": self.epochs,
            **plain_metrics(self.metrics),
            "stages": list(self.stages),
        }


class FrontTable(msgspec.Struct, frozen=True, kw_only=True):
    """The front of a study and what it dominates, with the hypervolume between the front and the reference point.

    `hypervolume` is in the product of the objectives' units, `hypervolume_share` is its part of the whole box between
    the reference point and the ideal (100 % accuracy at no cost). `num_failed` outcomes have no result,
    `num_unmeasured` lack an objective, `num_lower` networks were trained to a lower fidelity than others; none of them
    takes part. `num_left_out` dominated networks are not among the `points`.
    """

    reference: ReferencePoint
    hypervolume: float
    hypervolume_share: float
    points: tuple[FrontPoint, ...]
    num_failed: int = 0
    num_unmeasured: int = 0
    num_lower: int = 0
    num_left_out: int = 0

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What the front is about, with directions."""
        return self.reference.objectives

    @property
    def front(self) -> tuple[FrontPoint, ...]:
        """The networks that nothing dominates, by the last objective, best first (macs: cheapest first)."""
        order = self.objectives[-1]
        chosen = (point for point in self.points if point.is_on_front)
        return tuple(sorted(chosen, key=lambda point: (order.loss(point.value(order.metric)), point.trial)))

    @property
    def dominated(self) -> tuple[FrontPoint, ...]:
        """The others, by trial."""
        return tuple(point for point in self.points if not point.is_on_front)

    def rows(self) -> dict[str, Any]:
        """The table as JSON values."""
        return {
            "objectives": [
                {"metric": each.metric, "direction": "maximise" if each.maximise else "minimise"}
                for each in self.objectives
            ],
            "front": [point.row() for point in self.front],
            "dominated": [point.row() for point in self.dominated],
            "hypervolume": self.hypervolume,
            "hypervolume_share": self.hypervolume_share,
            "reference_point": {
                each.metric: value for each, value in zip(self.objectives, self.reference.values, strict=True)
            },
            "reference_rules": {
                each.metric: rule for each, rule in zip(self.objectives, self.reference.rules, strict=True)
            },
            "num_failed": self.num_failed,
            "num_unmeasured": self.num_unmeasured,
            "num_lower_fidelity": self.num_lower,
        }


def front(
    outcomes: Sequence[Outcome], objectives: Sequence[Objective], reference: ReferencePoint | None = None
) -> FrontTable:
    """The front of the outcomes in these objectives; equal networks in equal places are all on it.

    Only networks at the highest fidelity that any of them reached are compared (see `comparable`): with rungs, those
    on the highest. Without a `reference` (see `naslab.analysis.reference_point`) the outcomes set one. Raises
    `StudyError` where no outcome has every objective, or where objectives are equal.
    """
    wanted = tuple(objectives)
    names = [each.metric for each in wanted]
    if len(set(names)) < max(1, len(names)):
        raise StudyError(f"a front needs objectives that differ, got {', '.join(names) or 'none'}")
    complete = [outcome for outcome in outcomes if outcome.is_complete]
    measured = [each for each in complete if all(math.isfinite(each.value(goal.metric)) for goal in wanted)]
    if not measured:
        raise StudyError(nothing_to_show(outcomes, wanted))
    shown = comparable(measured)
    corner = reference or reference_of_outcomes(wanted, shown)
    losses = losses_of(shown, wanted)
    on_front = is_non_dominated(losses)
    volume = hypervolume(losses[on_front], np.asarray(corner.losses))
    return FrontTable(
        reference=corner,
        hypervolume=volume,
        hypervolume_share=volume / corner.box_volume if corner.box_volume else 0.0,
        points=tuple(front_point(each, bool(is_on)) for each, is_on in zip(shown, on_front, strict=True)),
        num_failed=sum(not (each.is_complete or each.is_infeasible) for each in outcomes),
        num_unmeasured=len(complete) - len(measured),
        num_lower=len({each.candidate.arch_id for each in measured}) - len(shown),
    )


def of_whole(table: FrontTable, whole: WholeStudy | None) -> FrontTable:
    """The `table` of a part of a study with the counts of all of it; itself where nothing was left out."""
    if whole is None:
        return table
    return msgspec.structs.replace(
        table,
        num_failed=sum(count for reason, count in whole.failed.items() if reason != "infeasible"),
        num_unmeasured=whole.num_unmeasured,
        num_lower=whole.num_lower,
        num_left_out=whole.num_compared - len(table.points),
    )


def front_point(outcome: Outcome, is_on_front: bool = False) -> FrontPoint:
    """`outcome` as a point of a front: its costs, what was measured, and its stages in words."""
    candidate = outcome.candidate
    return FrontPoint(
        trial=candidate.trial,
        arch_id=candidate.arch_id,
        label=label_of(outcome),
        epochs=candidate.fidelity.epochs,
        metrics=metrics_of(outcome),
        stages=tuple(describe_arch(candidate.arch)),
        is_on_front=is_on_front,
    )


def metrics_of(outcome: Outcome) -> dict[str, float]:
    """What was measured of an outcome, and what its description tells, by name."""
    candidate = outcome.candidate
    described = described_values(candidate.arch, candidate.cost)
    return {**outcome.estimate.measured, **{name: float(value) for name, value in described.items()}}


def highest_fidelity(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """One complete outcome a network: the one that most was spent on, of equals the latest; by trial."""
    best: dict[str, Outcome] = {}
    complete = [each for each in outcomes if each.is_complete]
    for outcome in sorted(complete, key=lambda each: (each.candidate.fidelity, each.candidate.trial)):
        best[outcome.candidate.arch_id] = outcome
    return sorted(best.values(), key=lambda each: each.candidate.trial)


def comparable(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """One complete outcome a network, those at the highest fidelity that any network reached; by trial.

    An accuracy after one epoch says nothing beside one after nine. Networks that stayed at a lower fidelity are left
    out as soon as one got further.
    """
    best = highest_fidelity(outcomes)
    highest = max((each.candidate.fidelity for each in best), default=None)
    return [each for each in best if each.candidate.fidelity == highest]


def widest(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """One complete outcome a network, all at the fidelity that most networks have; of equals the highest; by trial.

    With rungs, the first: what is learned of choices takes many networks that can be compared.
    """
    counts = Counter(each.candidate.fidelity for each in outcomes if each.is_complete)
    chosen = max(counts, key=lambda fidelity: (counts[fidelity], fidelity), default=None)
    return highest_fidelity([each for each in outcomes if each.candidate.fidelity == chosen])


def losses_of(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Every objective of every outcome as something to make small, shape (outcomes, objectives)."""
    rows = [[goal.loss(each.value(goal.metric)) for goal in objectives] for each in outcomes]
    return np.asarray(rows, dtype=np.float64).reshape(len(outcomes), len(objectives))


def plain_metrics(values: dict[str, float]) -> dict[str, float | int | None]:
    """Metrics as JSON values: costs as integers, nothing for what is not a number."""
    return {name: shown_as(name).plain(value) for name, value in values.items()}
