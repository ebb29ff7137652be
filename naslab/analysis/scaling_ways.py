"""Ways of scaling compared at equal macs: depth, width, resolution alone against compound, over several seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from naslab.analysis.study import StudyView
from naslab.errors import counted
from naslab.metrics import ACCURACY, ACTIVATIONS, MACS, PARAMS
from naslab.study.outcome import Outcome

COMPOUND = "compound"
BASELINE = "baseline"
SINGLE = ("depth", "width", "resolution")


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A baseline scaled one way to `asked` times its macs: what it costs, and its accuracies in per cent by seed."""

    way: str
    asked: float
    macs: int
    macs_ratio: float
    params: int
    activations: int
    resolution: tuple[int, int]
    num_blocks: int
    accuracies: dict[int, float]
    num_failed: int
    wall_seconds: float

    @property
    def mean(self) -> float:
        """The mean accuracy over the seeds; NaN where none is complete."""
        return float(np.mean(list(self.accuracies.values()))) if self.accuracies else math.nan

    @property
    def sem(self) -> float:
        """The standard error of the mean over the seeds; NaN below two."""
        values = list(self.accuracies.values())
        return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


class WaysTable(msgspec.Struct, frozen=True):
    """The ways of one baseline, by macs asked and name."""

    name: str
    dataset: str
    epochs: int
    ways: tuple[Way, ...]

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON values, one a way."""
        return [
            {
                "baseline": self.name,
                "way": each.way,
                "asked_ratio": each.asked,
                MACS.name: each.macs,
                "macs_ratio": round(each.macs_ratio, 4),
                PARAMS.name: each.params,
                ACTIVATIONS.name: each.activations,
                "resolution": f"{each.resolution[0]}x{each.resolution[1]}",
                "blocks": each.num_blocks,
                "seeds": len(each.accuracies),
                f"{ACCURACY.name}_mean": round(each.mean, 3),
                ACCURACY.standard_error: round(each.sem, 3),
                "accuracies": " ".join(f"{each.accuracies[seed]:.2f}" for seed in sorted(each.accuracies)),
                "failed": each.num_failed,
                "seconds_per_training": round(each.wall_seconds, 1),
            }
            for each in self.ways
        ]

    def verdicts(self) -> list[str]:
        """At each macs, in words, how compound did against the best single dimension, with a 90 % interval.

        Choosing the best of three favours it a little, against compound.
        """
        by_ratio: dict[float, dict[str, Way]] = defaultdict(dict)
        for each in self.ways:
            if math.isfinite(each.sem):
                by_ratio[each.asked][each.way] = each
        return [
            _verdict(self.name, asked, ways)
            for asked, ways in sorted(by_ratio.items())
            if COMPOUND in ways and not ways.keys().isdisjoint(SINGLE)
        ]


def ways_table(view: StudyView, name: str) -> WaysTable:
    """The ways that a study holds; each outcome's origin says `way` and `asked`, the baseline's neither."""
    groups: dict[tuple[float, str], list[Outcome]] = defaultdict(list)
    for outcome in (*view.outcomes, *view.family):
        origin = outcome.candidate.origin
        groups[float(origin.get("asked", 1.0)), str(origin.get("way", BASELINE))].append(outcome)
    base = groups.get((1.0, BASELINE))
    if not base:
        return WaysTable(name, view.problem.data.name, view.record.epochs, ())
    macs = base[0].candidate.cost.macs
    ways = tuple(_way(way, asked, group, macs) for (asked, way), group in sorted(groups.items()))
    return WaysTable(name, view.problem.data.name, view.record.epochs, ways)


def _way(way: str, asked: float, group: Sequence[Outcome], base_macs: int) -> Way:
    candidate = group[0].candidate
    complete = [each for each in group if each.is_complete]
    seeds = {each.candidate.seed for each in complete}
    return Way(
        way=way,
        asked=asked,
        macs=candidate.cost.macs,
        macs_ratio=candidate.cost.macs / base_macs,
        params=candidate.cost.params,
        activations=candidate.cost.activations,
        resolution=candidate.arch.input[1:],
        num_blocks=sum(stage.repeats for stage in candidate.arch.stages),
        accuracies={each.candidate.seed: each.value(ACCURACY.name) for each in complete},
        num_failed=len({each.candidate.seed for each in group} - seeds),
        wall_seconds=float(np.mean([each.estimate.wall_seconds for each in group])),
    )


def _verdict(name: str, asked: float, ways: dict[str, Way]) -> str:
    """Compound against the best of the others, by Student's t with the spread over seeds pooled over all ways."""
    from scipy.stats import t

    compound = ways[COMPOUND]
    rival = max((each for each in ways.values() if each.way in SINGLE), key=lambda each: each.mean)
    freedom = sum(len(each.accuracies) - 1 for each in ways.values())
    squares = sum((value - each.mean) ** 2 for each in ways.values() for value in each.accuracies.values())
    spread = math.sqrt(squares / freedom * (1 / len(compound.accuracies) + 1 / len(rival.accuracies)))
    difference = compound.mean - rival.mean
    half = float(t.ppf(0.95, freedom)) * spread
    if difference - half > 0:
        outcome = f"compound is better than every single dimension, as the paper says (best of them: {rival.way})"
    elif difference + half < 0:
        outcome = f"{rival.way} alone is better than compound, which contradicts the paper"
    else:
        outcome = f"compound and {rival.way} alone, the best single dimension, cannot be told apart"
    return (
        f"{name} at {asked:g} x macs: {outcome}: {difference:+.2f} points of accuracy, 90 % interval "
        f"{difference - half:+.2f} to {difference + half:+.2f}, {counted(len(compound.accuracies), 'seed')}"
    )
