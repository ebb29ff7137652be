"""Latencies that were measured beside other load, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from naslab.metrics import LATENCY
from naslab.study.outcome import LOAD_NOTE, Outcome


def load_words(load: Mapping[str, Any]) -> str:
    """A load as `naslab.estimators.latency.MeasuredLatency.load` tells it.

    >>> load_words({"core_share": 0.42, "others_cores": 1.9, "num_cores": 2, "is_disturbed": True})
    'it had a core for 42 % of the time, others kept 1.9 of 2 cores busy'
    """
    told = f"it had a core for {load['core_share']:.0%} of the time".replace("%", " %")
    if "others_cores" in load:
        told += f", others kept {load['others_cores']:.2g} of {load['num_cores']} cores busy"
    return told


def disturbed_words(outcomes: Sequence[Outcome]) -> str:
    """What is to be said of the latencies of `outcomes`: how many were measured beside other load; else nothing."""
    timed = [each for each in outcomes if LATENCY.name in each.estimate.measured]
    loads = [each.estimate.notes[LOAD_NOTE] for each in timed if LOAD_NOTE in each.estimate.notes]
    disturbed = [load for load in loads if load["is_disturbed"]]
    if not disturbed:
        return ""
    worst = min(disturbed, key=lambda load: float(load["core_share"]))
    return (
        f"{len(disturbed)} of {len(timed)} latencies were measured beside other load and may be too long (at worst "
        f"{load_words(worst)}): measure with --workers 1 on a quiet machine"
    )
