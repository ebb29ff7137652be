"""How far estimators can be trusted: their ranking of a sample of networks beside a reference, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from naslab.analysis.rank_agreement import Agreement, RankAgreement, num_top, rank_agreement
from naslab.errors import StudyError, counted
from naslab.study.outcome import Outcome

LEAST_NETWORKS = 10
"""Fewer have no best tenth, and no correlation to speak of."""

NOTHING = Agreement(math.nan, math.nan, math.nan)
NO_AGREEMENT = RankAgreement(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)


class Estimated(NamedTuple):
    """An estimator's `name`, its `outcomes`, and the `metric` of them that ranks networks, larger for better."""

    name: str
    metric: str
    outcomes: Sequence[Outcome]


class EstimatorLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one estimator.

    Agreements are over `num_networks` with an estimate and a reference; `num_failed` have a failure instead. Seconds
    are means over estimates: by the clock, of the device (processor time on a CPU), and of preparing a worker, which
    is not part of the others. `problem` says why there is no agreement, empty where there is.
    """

    name: str
    num_networks: int
    num_failed: int
    tau: Agreement = NOTHING
    rho: Agreement = NOTHING
    top_tau: Agreement = NOTHING
    top_rho: Agreement = NOTHING
    precision: Agreement = NOTHING
    wall_seconds: float = math.nan
    device_seconds: float = math.nan
    prepare_seconds: float = math.nan
    device: str = ""
    problem: str = ""

    def row(self) -> dict[str, Any]:
        """The line as JSON values; agreements as `value`, `low`, `high`."""
        return msgspec.structs.asdict(self) | {
            name: msgspec.structs.asdict(getattr(self, name)) for name in RankAgreement._fields
        }


class CalibrationTable(msgspec.Struct, frozen=True, kw_only=True):
    """Estimators in the order asked for, beside one reference, over `num_networks` of a space.

    Intervals are of 90 %, by resampling the networks; `num_top` networks are the best tenth.
    """

    space: str
    dataset: str
    reference: str
    num_networks: int
    seed: int
    reference_device_seconds: float
    lines: tuple[EstimatorLine, ...]

    @property
    def num_top(self) -> int:
        """How many networks the best tenth is."""
        return num_top(self.num_networks)

    def rows(self) -> dict[str, Any]:
        """The table as JSON values, an entry of `estimators` for each line."""
        about = {name: getattr(self, name) for name in self.__struct_fields__ if name != "lines"}
        return {**about, "num_top": self.num_top, "estimators": [line.row() for line in self.lines]}


def calibration(
    space: str, dataset: str, seed: int, reference: Estimated, estimated: Sequence[Estimated]
) -> CalibrationTable:
    """Each of `estimated` beside `reference`, networks matched by identity.

    `space` and `dataset` are the names that the table states. Raises `StudyError` where fewer than 10 networks have a
    reference, where all have the same, and where no estimator tells networks apart.
    """
    truth = values_of(reference)
    if len(truth) < LEAST_NETWORKS:
        raise StudyError(
            f"a calibration needs at least {LEAST_NETWORKS} networks with a reference, got {len(truth)}"
            f"{_first_failure(reference)}"
        )
    if len(set(truth.values())) == 1:
        raise StudyError(f"the reference {reference.name} has the same value for all {len(truth)} networks")
    lines = tuple(estimator_line(each, truth, seed) for each in estimated)
    if lines and all(line.problem for line in lines):
        told = "; ".join(f"{line.name}: {line.problem}" for line in lines)
        raise StudyError(f"no estimator can be judged: {told}")
    return CalibrationTable(
        space=space,
        dataset=dataset,
        reference=reference.name,
        num_networks=len(truth),
        seed=seed,
        reference_device_seconds=mean_note(reference.outcomes, "device_seconds"),
        lines=lines,
    )


def estimator_line(estimated: Estimated, truth: Mapping[str, float], seed: int) -> EstimatorLine:
    """One estimator beside `truth`, the reference of each network by identity. Intervals are drawn from `seed`."""
    found = values_of(estimated)
    shared = sorted(found.keys() & truth.keys())
    scores = np.array([found[each] for each in shared])
    true = np.array([truth[each] for each in shared])
    failed = {
        each.candidate.arch_id for each in estimated.outcomes if not each.is_complete
    } & truth.keys() - found.keys()
    problem = _problem(estimated, scores, true)
    agreement = NO_AGREEMENT if problem else rank_agreement(scores, true, seed=seed)
    complete = [each for each in estimated.outcomes if each.is_complete]
    return EstimatorLine(
        name=estimated.name,
        num_networks=len(shared),
        num_failed=len(failed),
        **agreement._asdict(),
        wall_seconds=float(np.mean([each.estimate.wall_seconds for each in complete])) if complete else math.nan,
        device_seconds=mean_note(complete, "device_seconds"),
        prepare_seconds=mean_note(complete, "prepare_seconds"),
        device=", ".join(sorted({each.estimate.device for each in complete})),
        problem=problem,
    )


def values_of(estimated: Estimated) -> dict[str, float]:
    """The metric of each network by identity; networks without a finite value are left out."""
    values = {each.candidate.arch_id: each.value(estimated.metric) for each in estimated.outcomes if each.is_complete}
    return {arch_id: value for arch_id, value in values.items() if math.isfinite(value)}


def mean_note(outcomes: Sequence[Outcome], name: str) -> float:
    """The mean of the number that estimates note under `name`; NaN where none does."""
    noted = [float(each.estimate.notes[name]) for each in outcomes if name in each.estimate.notes]
    return float(np.mean(noted)) if noted else math.nan


def _problem(estimated: Estimated, scores: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> str:
    """Why networks cannot be ranked, if they cannot."""
    if len(scores) < LEAST_NETWORKS:
        few = f"only {counted(len(scores), 'network')} with an estimate, {LEAST_NETWORKS} are needed"
        return few + _first_failure(estimated)
    if np.ptp(scores) == 0:
        return f"gives all {counted(len(scores), 'network')} the same value, {scores[0]:g}, and so ranks none"
    return f"all {len(true)} networks that it estimated have the same reference" if np.ptp(true) == 0 else ""


def _first_failure(estimated: Estimated) -> str:
    failures = (each.estimate.failure for each in estimated.outcomes)
    first = next((failure for failure in failures if failure is not None), None)
    return f" (the first failure: {first.message})" if first is not None else ""
