"""A search's rungs: how many networks each held, and whether a lower one ranks them as a higher one does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import msgspec
import numpy as np

from naslab.analysis.rank_agreement import kendall_tau, resampled_taus, spearman_rho
from naslab.metrics import ACCURACY
from naslab.study.outcome import Outcome
from naslab.study.rungs import Rungs

NUM_RESAMPLES = 500
LEVEL = 0.9


class Rung(msgspec.Struct, frozen=True):
    """One rung: its networks and what they cost. `wall_seconds` are those of all its trainings together."""

    epochs: int
    num_networks: int
    num_failed: int
    num_stopped: int
    num_promoted: int
    wall_seconds: float


class RungAgreement(msgspec.Struct, frozen=True):
    """How two rungs rank the networks that both measured, by what the search ranks by.

    Kendall's tau-b with its 90 % bootstrap interval, and Spearman's rho. NaN where fewer than three are on both.

    The networks of the higher rung are the best of the lower one: nearer to each other than all are, and so harder to
    rank.
    """

    low_epochs: int
    high_epochs: int
    num_networks: int
    tau: float
    tau_low: float
    tau_high: float
    rho: float


class Promoted(msgspec.Struct, frozen=True):
    """A network that was promoted at least once: what the search ranks by at each rung that it reached."""

    trial: int
    macs: int
    epochs: tuple[int, ...]
    accuracies: tuple[float, ...]


class RungTable(msgspec.Struct, frozen=True):
    """The rungs from the lowest, how each pair agrees by `metric`, and the networks `promoted`, by first trial."""

    rungs: tuple[Rung, ...]
    agreements: tuple[RungAgreement, ...]
    promoted: tuple[Promoted, ...]
    keep: float | None
    metric: str = ACCURACY.name

    def rows(self) -> dict[str, Any]:
        """The table as JSON values; what is not a number is null."""
        return {
            "rungs": [msgspec.to_builtins(each) for each in self.rungs],
            "agreements": [
                {
                    name: None if isinstance(value, float) and math.isnan(value) else value
                    for name, value in msgspec.structs.asdict(each).items()
                }
                for each in self.agreements
            ],
            "promoted": [msgspec.to_builtins(each) for each in self.promoted],
        }


def rung_table(outcomes: Sequence[Outcome], rungs: Rungs, metric: str = ACCURACY.name) -> RungTable:
    """What each rung of a search that ranks by `metric` did, from its outcomes so far."""
    levels: list[dict[str, Outcome]] = [{} for _ in rungs.epochs]
    for outcome in outcomes:
        rung = rungs.rung_of(outcome.candidate.fidelity)
        if rung is not None:
            levels[rung][outcome.candidate.arch_id] = outcome
    measured = [{key: each for key, each in level.items() if _has_score(each, metric)} for level in levels]
    return RungTable(
        rungs=tuple(
            _rung(rungs.epochs[index], list(level.values()), set(levels[index + 1]) if index < rungs.top else set())
            for index, level in enumerate(levels)
        ),
        agreements=tuple(
            _agreement(rungs.epochs[low], rungs.epochs[high], measured[low], measured[high], metric)
            for low, high in _compared(rungs)
        ),
        promoted=_promoted(measured, rungs, metric),
        keep=rungs.keep,
        metric=metric,
    )


def _compared(rungs: Rungs) -> list[tuple[int, int]]:
    """The pairs of rungs whose rankings are compared: all, or each with the last where every epoch is one."""
    pairs = list(combinations(range(len(rungs.epochs)), 2))
    return [pair for pair in pairs if pair[1] == rungs.top] if rungs.pauses else pairs


def _has_score(outcome: Outcome, metric: str) -> bool:
    """Whether a metric was measured, and not extrapolated."""
    return outcome.is_complete and "stopped" not in outcome.estimate.notes and math.isfinite(outcome.value(metric))


def _rung(epochs: int, outcomes: list[Outcome], above: set[str]) -> Rung:
    return Rung(
        epochs=epochs,
        num_networks=len(outcomes),
        num_failed=sum(not each.is_complete for each in outcomes),
        num_stopped=sum("stopped" in each.estimate.notes for each in outcomes),
        num_promoted=sum(each.candidate.arch_id in above for each in outcomes),
        wall_seconds=sum(each.estimate.wall_seconds for each in outcomes),
    )


def _agreement(
    low_epochs: int, high_epochs: int, low: dict[str, Outcome], high: dict[str, Outcome], metric: str
) -> RungAgreement:
    shared = sorted(low.keys() & high.keys())
    below, above = (np.array([level[key].value(metric) for key in shared]) for level in (low, high))
    if len(shared) < 3:
        return RungAgreement(low_epochs, high_epochs, len(shared), math.nan, math.nan, math.nan, math.nan)
    source = np.random.default_rng(0)
    picks = [source.integers(len(shared), size=len(shared)) for _ in range(NUM_RESAMPLES)]
    drawn = resampled_taus(below, above, picks)
    drawn = drawn[~np.isnan(drawn)]
    bounds = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(drawn) else (math.nan, math.nan)
    return RungAgreement(
        low_epochs=low_epochs,
        high_epochs=high_epochs,
        num_networks=len(shared),
        tau=kendall_tau(below, above),
        tau_low=float(bounds[0]),
        tau_high=float(bounds[1]),
        rho=spearman_rho(below, above),
    )


def _promoted(measured: list[dict[str, Outcome]], rungs: Rungs, metric: str) -> tuple[Promoted, ...]:
    found = []
    for key, first in measured[0].items():
        reached = [index for index, level in enumerate(measured) if key in level]
        if len(reached) > 1:
            found.append(
                Promoted(
                    trial=first.candidate.trial,
                    macs=first.candidate.cost.macs,
                    epochs=tuple(rungs.epochs[index] for index in reached),
                    accuracies=tuple(measured[index][key].value(metric) for index in reached),
                )
            )
    return tuple(sorted(found, key=lambda each: each.trial))
